"""Weight files on disk: read a safetensors header with suspicion, and hash weights.

Format: https://huggingface.co/docs/safetensors (8 bytes of header length, a JSON header, the data).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sam_hub.errors import UnusableModel

HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors library itself
DTYPE_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class TensorInfo:
    """One entry of a header: ``dtype`` as safetensors spells it; the bytes from ``begin`` to ``end``."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def _refuse(file: Path, reason: str) -> UnusableModel:
    return UnusableModel(f"{file} is damaged: {reason}", "Pull or copy the model again.")


def _entry(file: Path, name: str, entry: object) -> TensorInfo:
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise _refuse(file, f"the header's entry '{name}' is malformed") from error
    numbers = (*shape, begin, end)
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise _refuse(file, f"the header's entry '{name}' holds impossible numbers")
    if dtype not in DTYPE_BYTES:
        raise UnusableModel(
            f"{file} holds '{name}' as {dtype}, which can't be merged", "Use a model that is not quantized."
        )
    if end - begin != math.prod(shape) * DTYPE_BYTES[dtype]:
        raise _refuse(file, f"'{name}' has {end - begin} bytes, which do not fit its shape {list(shape)}")
    return TensorInfo(dtype, shape, begin, end)


def read_header(file: Path) -> dict[str, TensorInfo]:
    """Read and check the header of one safetensors file; no tensor is read.

    Raises:
        UnusableModel: there is no such file, or its header does not describe its bytes exactly.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            total = file.stat().st_size
            if not 2 <= length <= min(HEADER_LIMIT, total - 8):
                raise _refuse(file, f"a header of {length} bytes in a file of {total}")
            text = stream.read(length)
    except OSError as error:
        raise UnusableModel(f"{file} can't be read: {error.strerror}", "Pull the model again.") from error
    try:
        header = json.loads(text)
    except ValueError as error:
        raise _refuse(file, "the header is not JSON") from error
    if not isinstance(header, dict):
        raise _refuse(file, "the header is not an object")
    header.pop("__metadata__", None)
    tensors = {name: _entry(file, name, entry) for name, entry in header.items()}
    end = 0
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if info.begin != end:
            raise _refuse(file, f"'{name}' overlaps another tensor, or a gap lies before it")
        end = info.end
    if end != total - 8 - length:
        raise _refuse(file, f"{total - 8 - length} bytes of data where the header describes {end}")
    return tensors


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files of a model or adapter in ``folder``, sorted by name.

    Raises:
        UnusableModel: there are none in safetensors format, or the index names a file outside the folder.
    """
    for name in (ADAPTER_WEIGHTS, WEIGHTS):
        if (folder / name).is_file():
            return (folder / name,)
    index = folder / INDEX
    if not index.is_file():
        raise UnusableModel(
            f"{folder} holds no safetensors weights", "Use a model or adapter that is stored as safetensors."
        )
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise _refuse(index, "it is not an index of weight files") from error
    if outside := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
        raise _refuse(index, f"it names {outside[0]!r}, which is no file of its folder")
    return tuple(folder / name for name in sorted(names))


def read_headers(folder: Path) -> dict[str, TensorInfo]:
    """The headers of all weight files of ``folder`` in one mapping, each checked."""
    tensors: dict[str, TensorInfo] = {}
    for file in weight_files(folder):
        tensors |= read_header(file)
    return tensors


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; computed once by this process for a file that was not touched since.

    Any write changes what the system notes of a file, its ctime at least, which no program can set back.
    """
    noted = file.stat()
    return _sha256(file, noted.st_dev, noted.st_ino, noted.st_size, noted.st_mtime_ns, noted.st_ctime_ns)


@lru_cache(maxsize=1024)
def _sha256(file: Path, *_noted: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def weights_sha256(folder: Path) -> str:
    """Identify the weights in ``folder``: SHA-256 of the one file, or of the list of shard hashes."""
    files = weight_files(folder)
    if len(files) == 1:
        return file_sha256(files[0])
    listing = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def parameter_count(folder: Path) -> int:
    """The number of weights of the model in ``folder``.

    Raises:
        UnusableModel: a file is damaged, or there is none.
    """
    return sum(info.size for info in read_headers(folder).values())
