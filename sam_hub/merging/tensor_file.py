"""Write a model's safetensors files tensor by tensor.

The ``safetensors`` library writes a file from all of its tensors at once, which would hold the merged model in memory.

Format: https://huggingface.co/docs/safetensors (8 bytes of header length, a JSON header, the data).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sam_hub.errors import UnusableModel
from sam_hub.files import write_json
from sam_hub.hub.weights import DTYPE_BYTES, INDEX, WEIGHTS, TensorInfo

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 5_000_000_000  # of one file at most, as mergekit writes them
DTYPE_CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


class ModelWriter:
    """Writes a model's weights into a folder: one file, or several with their index.

    Each tensor is written once, in any order; they are placed in that of ``tensors``. To leave the context closes the
    files and writes the index.

    Args:
        shard_bytes: the size that no file exceeds, unless it holds a single tensor.
    """

    def __init__(self, folder: Path, tensors: Mapping[str, TensorInfo], shard_bytes: int = SHARD_BYTES) -> None:
        self._folder, self._tensors = folder, tensors
        self._places: dict[str, tuple[BinaryIO, int]] = {}
        self._files: list[BinaryIO] = []
        shards = _shards(tensors, shard_bytes)
        for number, names in enumerate(shards, 1):
            name = WEIGHTS if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
            file = (folder / name).open("wb")
            self._files.append(file)
            self._announce(file, names)

    def _announce(self, file: BinaryIO, names: Sequence[str]) -> None:
        """Write the header, with the tensors in the order of ``safetensors.save_file``: wide dtypes first."""
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        begins, end = {}, 0
        for name in sorted(names, key=lambda name: (-DTYPE_BYTES[self._tensors[name].dtype], name)):
            info, begins[name] = self._tensors[name], end
            end += _bytes(info)
            header[name] = {"dtype": info.dtype, "shape": list(info.shape), "data_offsets": [begins[name], end]}
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        file.write(len(text).to_bytes(8, "little") + text)
        start = file.tell()
        self._places |= {name: (file, start + begin) for name, begin in begins.items()}

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Write one tensor at its place.

        Raises:
            UnusableModel: its dtype or shape is not the announced one.
        """
        import torch

        info, (file, place) = self._tensors[name], self._places[name]
        code = DTYPE_CODES.get(str(tensor.dtype).removeprefix("torch."))
        if (code, tuple(tensor.shape)) != (info.dtype, info.shape):
            raise UnusableModel(
                f"'{name}' came out as {code} {list(tensor.shape)}, not as {info.dtype} {list(info.shape)}",
                "Check that all inputs are of one base and the recipe's dtype is that of the base.",
            )
        file.seek(place)
        if info.size:
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)

    def __enter__(self) -> ModelWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for file in self._files:
            file.close()
        if kind is None and len(self._files) > 1:
            index = {
                "metadata": {"total_size": sum(map(_bytes, self._tensors.values()))},
                "weight_map": {name: Path(file.name).name for name, (file, _) in sorted(self._places.items())},
            }
            write_json(self._folder / INDEX, index)


def _shards(tensors: Mapping[str, TensorInfo], most: int) -> list[list[str]]:
    """Return names by shard: each takes what follows as long as it stays within ``most`` bytes, one tensor at least."""
    shards: list[list[str]] = [[]]
    held = 0
    for name, info in tensors.items():
        if shards[-1] and held + _bytes(info) > most:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += _bytes(info)
    return shards


def _bytes(info: TensorInfo) -> int:
    return info.size * DTYPE_BYTES[info.dtype]
