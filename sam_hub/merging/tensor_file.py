"""Write a model's safetensors files tensor by tensor.

The ``safetensors`` library writes a file from all of its tensors at once, which would hold the merged model in memory.

Format: https://huggingface.co/docs/safetensors (8 bytes of header length, a JSON header, the data).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.errors import UnusableModel
from sam_hub.files import write_json
from sam_hub.hub.weights import DTYPE_BYTES, INDEX, WEIGHTS, TensorInfo

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 5_000_000_000  # of one file at most, as mergekit writes them
DTYPE_CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


def layout(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> tuple[bytes, dict[str, tuple[TensorInfo, int]]]:
    """Place tensors in a file just as ``safetensors.save_file`` does (wide dtypes first, then by name).

    Args:
        tensors: name → (dtype code such as ``BF16``, shape).

    Returns:
        The file's first bytes (length and header), and every tensor with the place at which its bytes begin.
    """
    order = sorted(tensors, key=lambda name: (-DTYPE_BYTES[tensors[name][0]], name))
    entries: dict[str, tuple[TensorInfo, int]] = {}
    begin = 0
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    for name in order:
        dtype, shape = tensors[name]
        end = begin + _bytes(dtype, shape)
        entries[name] = TensorInfo(dtype, tuple(shape)), begin
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, entries


class TensorFileWriter:
    """Writes a safetensors file in which tensors may arrive in any order; one is held at a time."""

    def __init__(self, file: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
        head, self._entries = layout(tensors)
        self._start = len(head)
        self._missing = set(self._entries)
        self._stream = file.open("wb")
        self._stream.write(head)

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Write one tensor at its place.

        Raises:
            UnusableModel: its dtype or shape is not the announced one.
        """
        import torch

        info, begin = self._entries[name]
        code = DTYPE_CODES.get(str(tensor.dtype).removeprefix("torch."))
        if (code, tuple(tensor.shape)) != (info.dtype, info.shape):
            raise UnusableModel(
                f"'{name}' came out as {code} {list(tensor.shape)}, not as {info.dtype} {list(info.shape)}",
                "Check that all inputs are of one base and the recipe's dtype is that of the base.",
            )
        self._stream.seek(self._start + begin)
        if info.size:
            self._stream.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        self._missing.discard(name)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def require_complete(self) -> None:
        """Check that all announced tensors were written.

        Raises:
            UnusableModel: some were not.
        """
        if self._missing:
            raise UnusableModel(
                f"{len(self._missing)} tensors were not merged: {', '.join(sorted(self._missing)[:3])}",
                "Check the inputs with a dry run.",
            )


class ModelWriter:
    """Writes a model's weights into a folder: one file, or several with their index.

    Tensors may arrive in any order; they are placed in that of ``tensors``. To leave the context closes the files and
    writes the index; it raises `UnusableModel` if a tensor was not written.

    Args:
        shard_bytes: the size that no file exceeds, unless it holds a single tensor.
    """

    def __init__(
        self, folder: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]], shard_bytes: int = SHARD_BYTES
    ) -> None:
        self._folder = folder
        shards = _shards(tensors, shard_bytes)
        self._file_of: dict[str, str] = {}
        self._writers: dict[str, TensorFileWriter] = {}
        for number, names in enumerate(shards, 1):
            one = WEIGHTS if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
            self._file_of |= dict.fromkeys(names, one)
            self._writers[one] = TensorFileWriter(folder / one, {name: tensors[name] for name in names})
        self._total = sum(_bytes(*tensor) for tensor in tensors.values())

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Write one tensor; raises as `TensorFileWriter.write`."""
        self._writers[self._file_of[name]].write(name, tensor)

    def __enter__(self) -> ModelWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()
        if kind is not None:
            return
        for writer in self._writers.values():
            writer.require_complete()
        if len(self._writers) > 1:
            index = {"metadata": {"total_size": self._total}, "weight_map": dict(sorted(self._file_of.items()))}
            write_json(self._folder / INDEX, index)


def _shards(tensors: Mapping[str, tuple[str, tuple[int, ...]]], most: int) -> list[list[str]]:
    """Names by shard: each takes what follows as long as it stays within ``most`` bytes, one tensor at least."""
    shards: list[list[str]] = [[]]
    held = 0
    for name, tensor in tensors.items():
        size = _bytes(*tensor)
        if shards[-1] and held + size > most:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += size
    return shards


def _bytes(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * DTYPE_BYTES[dtype]


def total_bytes(tensors: Iterable[TensorInfo], dtype: str) -> int:
    """Bytes that ``tensors`` take when they are stored as ``dtype`` (a torch name)."""
    return sum(info.size for info in tensors) * DTYPE_BYTES[DTYPE_CODES[dtype]]
