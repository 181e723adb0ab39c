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
from sam_hub.hub.weights import DTYPE_BYTES, INDEX, TensorInfo

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
        from huggingface_hub import split_state_dict_into_shards_factory as split

        self._folder, self._tensors = folder, tensors
        self._places: dict[str, tuple[BinaryIO, int]] = {}
        self._files: list[BinaryIO] = []
        self._shards = split(
            dict(tensors),
            get_storage_size=_bytes,
            filename_pattern="model{suffix}.safetensors",
            max_shard_size=shard_bytes,
        )
        for name, names in self._shards.filename_to_tensors.items():
            self._files.append((folder / name).open("wb"))
            self._announce(self._files[-1], names)

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
        if kind is None and self._shards.is_sharded:
            places = {"metadata": self._shards.metadata, "weight_map": self._shards.tensor_to_filename}
            write_json(self._folder / INDEX, places)


def _bytes(info: TensorInfo) -> int:
    return info.size * DTYPE_BYTES[info.dtype]
