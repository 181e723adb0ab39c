"""Weight files on disk: what their safetensors headers say, and their hashes."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from sam_hub.errors import UnusableModel

DTYPE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_HASHES: dict[tuple[int, ...], str] = {}  # by a file's status


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file; ``dtype`` as safetensors spells it."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def _damaged(file: Path, reason: str) -> UnusableModel:
    return UnusableModel(f"{file} is damaged: {reason}", "Pull or copy the model again.")


def read_header(file: Path) -> dict[str, TensorInfo]:
    """Read and check the header of one safetensors file; no tensor is read.

    Raises:
        UnusableModel: there is no such file, its header does not describe its bytes exactly, or it is quantized.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as weights:  # refuses overlaps, gaps and sizes that do not fit
            slices = {name: weights.get_slice(name) for name in weights.offset_keys()}
            shapes = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except SafetensorError as error:
        raise _damaged(file, " ".join(str(error).split())) from error
    except OSError as error:
        raise UnusableModel(f"{file} can't be read: {error}", "Pull the model again.") from error
    for name, (dtype, _) in shapes.items():
        if dtype not in DTYPE_BYTES:
            title = f"{file} holds '{name}' as {dtype}, which can't be merged"
            raise UnusableModel(title, "Use a model that is not quantized.")
    return {name: TensorInfo(dtype, shape) for name, (dtype, shape) in shapes.items()}


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the weight files of a model or adapter in ``folder``, sorted by name.

    Raises:
        UnusableModel: there are none in safetensors format, or the index names a file outside the folder.
    """
    for name in (ADAPTER_WEIGHTS, WEIGHTS):
        if (folder / name).is_file():
            return (folder / name,)
    index = folder / INDEX
    if not index.is_file():
        raise UnusableModel(
            f"{folder} has no safetensors weights", "Use a model or adapter that is stored as safetensors."
        )
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(index, "it is not an index of weight files") from error
    if outside := [name for name in names if not isinstance(name, str) or Path(name).name != name]:
        raise _damaged(index, f"it names {outside[0]!r}, which is not a file of its folder")
    return tuple(folder / name for name in sorted(names))


def read_headers(folder: Path) -> dict[str, TensorInfo]:
    """Return the tensors of all weight files of ``folder``; each header is checked."""
    tensors: dict[str, TensorInfo] = {}
    for file in weight_files(folder):
        tensors |= read_header(file)
    return tensors


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; this process computes it once, as long as nobody touches the file.

    Any write changes the file's status, its ctime at least, which no program can set back. The path does not count: a
    folder that is renamed is not read again.
    """
    status = file.stat()
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if key not in _HASHES:
        with file.open("rb") as stream:
            _HASHES[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _HASHES[key]


def weights_sha256(folder: Path) -> str:
    """Return what identifies the weights in ``folder``: the SHA-256 of the file, or of the list of shard hashes."""
    files = weight_files(folder)
    if len(files) == 1:
        return file_sha256(files[0])
    listing = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def parameter_count(folder: Path) -> int:
    """Return the number of weights of the model in ``folder``.

    Raises:
        UnusableModel: a file is damaged, or there is none.
    """
    return sum(info.size for info in read_headers(folder).values())
