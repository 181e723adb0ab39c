"""The merge itself, tensor by tensor: mergekit plans and computes, LoRA inputs are folded as they are read.

Runs in a process of its own (``python -m sam_hub.merging``): mergekit's cache of loaders is one for the
process, so that a later merge could otherwise be given an earlier one's weights.

The result equals that of stock ``mergekit-yaml`` bit for bit (with ``stable`` trimming, that of a mergekit whose sort
is stable). The same planner resolves the same parameters
for the same tensors, which are merged in the same order (it decides the draws of the random methods); the
fold is the arithmetic of peft's ``merge_and_unload``. Stock mergekit draws random numbers while it folds, so
for random methods the seed decides its result only when its fold cache is warm; that result is this one.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UnusableModel
from sam_hub.hub.weights import TensorInfo, weight_files
from sam_hub.inference.adapters import Adapter
from sam_hub.merging.checks import FLOATS, Inputs, read_inputs
from sam_hub.merging.configuration import to_mergekit
from sam_hub.merging.methods import KEEPS_UNTOUCHED, RANDOM, tensors_at_a_time
from sam_hub.merging.recipe import Recipe
from sam_hub.merging.tensor_file import DTYPE_CODES, SHARD_BYTES, ModelWriter
from sam_hub.merging.trimming import stable_trimming

if TYPE_CHECKING:
    import torch
    from mergekit.architecture import WeightInfo
    from mergekit.merge_methods.task_adapter import ExecuteMergeMethodTask

OnTensor = Callable[[str, int, int], None]  # name of the tensor that was written, how many are, of how many
BUFFERS = (".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias")  # constants that old checkpoints hold


class FoldedModel:
    """A base in ``dtype`` with one LoRA adapter folded in, read as mergekit reads a full model (see
    ``LazyTensorLoader``)."""

    def __init__(self, base: Any, adapter: Adapter, dtype: torch.dtype) -> None:
        from safetensors import safe_open

        self.index = base.index
        self._base = base
        self._pairs = adapter.pairs
        self._dtype = dtype
        self._file = safe_open(adapter.file, framework="pt", device="cpu")

    def get_tensor(self, key: str, device: str = "cpu", **_: Any) -> torch.Tensor:
        """The base's tensor ``key`` with the adapter's change."""
        weight = self._base.get_tensor(key)
        if weight.is_floating_point():
            weight = weight.to(self._dtype)
        if (pair := self._pairs.get(key)) is not None:
            weight = weight.clone()  # the base's own may be asked for again
            pair.fold_into(weight, self._file)
        return weight.to(device)

    def flush(self) -> None:
        """Nothing is held between two tensors but open files."""
        self._base.flush()


def _fold_dtype(base: Path) -> str:
    """The dtype (a safetensors code) in which mergekit's fold loads the base: its first floating tensor's."""
    from safetensors import safe_open

    with safe_open(weight_files(base)[0], framework="pt") as file:
        codes = (file.get_slice(name).get_dtype() for name in file.keys())  # noqa: SIM118
        return next((code for code in codes if code in FLOATS), "F32")


def _offer_inputs(recipe: Recipe, inputs: Inputs, config: Any, fold: str) -> None:
    """Put the models, folded in the dtype ``fold``, where mergekit looks for loaded ones."""
    from mergekit.common import ModelReference, dtype_from_name
    from mergekit.io.tasks import LoaderCache

    cache = LoaderCache()
    base = ModelReference.model_validate({"model": {"path": str(recipe.base.path.absolute())}})
    dtype = dtype_from_name(next(name for name, known in DTYPE_CODES.items() if known == fold))
    for reference in config.referenced_models():
        if reference.lora is None:
            cache.get(reference)  # now, since a worker's own cache would not know the options
        else:
            adapter = inputs.adapters[Path(reference.lora.path)]
            cache.loaders[reference] = FoldedModel(cache.get(base), adapter, dtype)


def _plan(recipe: Recipe, inputs: Inputs, fold: str) -> list[ExecuteMergeMethodTask]:
    """mergekit's tasks, one an output tensor, in the order in which stock mergekit executes them."""
    from mergekit.architecture import get_architecture_info
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache, SaveTensor
    from mergekit.options import MergeOptions
    from mergekit.plan import MergePlanner

    options = MergeOptions(trust_remote_code=False, allow_crimes=False, write_model_card=False, quiet=True)
    LoaderCache().setup(options)
    config = MergeConfiguration.model_validate(to_mergekit(recipe))
    _offer_inputs(recipe, inputs, config, fold)
    alone = {"merge_method": "passthrough", "models": [{"model": {"model": {"path": str(recipe.base.path)}}}]}
    architecture = get_architecture_info(MergeConfiguration.model_validate(alone), options)
    planner = MergePlanner(config, architecture, options=options, out_model_config=_config(recipe))
    # The saving tasks are taken apart, not executed: nothing is written to the path.
    saves = [task for task in planner.plan_to_disk(os.devnull) if isinstance(task, SaveTensor)]
    return sorted((save.tensor_task for save in saves), key=lambda task: task.group_label() or "")


def _config(recipe: Recipe) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(recipe.base.path, trust_remote_code=False)
    config.dtype = recipe.dtype
    return config


def _source(weight: WeightInfo, base: Mapping[str, TensorInfo]) -> str:
    """The name under which the base holds an output tensor."""
    names = (weight.name, *(weight.aliases or ()), *(weight.tied_names or ()))
    if found := next((name for name in names if name in base), None):
        return found
    raise UnusableModel(
        f"The base holds no tensor '{weight.name}'",
        "Save the base again with a current transformers release.",
    )


def _outputs(recipe: Recipe, tasks: list[ExecuteMergeMethodTask], inputs: Inputs) -> dict[str, str]:
    """Output tensor → base tensor.

    Raises:
        UnusableModel: a tensor of the base would get lost, since mergekit does not know it.
    """
    sources = {task.output_weight.name: _source(task.output_weight, inputs.base) for task in tasks}
    lost = sorted(set(inputs.base) - set(sources.values()))
    if lost := [name for name in lost if not name.endswith(BUFFERS)]:
        raise UnusableModel(
            f"mergekit does not know the tensor '{lost[0]}' of {recipe.base.repo}",
            "Use another base.",
        )
    return sources


def _keep(base: torch.Tensor, task: ExecuteMergeMethodTask) -> torch.Tensor:
    """The base's tensor as the method gives it back where no expert changes it.

    That is the tensor itself, but for the sign of its zeros: base + 0 turns -0 into +0, and whether the sum
    is +0 or -0 depends on the experts' weights. So the method is asked, with a tensor that is one -0.
    """
    import torch

    zero = torch.full((1,) * base.ndim, -0.0, dtype=base.dtype)
    answer = task.execute(dict.fromkeys(task.model_order, zero))
    return base if torch.signbit(answer).all() else base + 0.0


def _compute(task: ExecuteMergeMethodTask, *, touched: bool) -> torch.Tensor:
    """Load what one output tensor needs, and merge it."""
    loads = task.gather_tensors.arguments()
    if not touched:
        base = next(load for load in loads.values() if load.model == task.base_model)
        return _keep(base.execute(), task)
    tensors = task.gather_tensors.execute(**{key: load.execute() for key, load in loads.items()})
    return task.execute(tensors)


def _require_finite(name: str, tensor: torch.Tensor, recipe: Recipe) -> None:
    import torch

    if not tensor.is_floating_point() or not tensor.numel():
        return
    if not all(
        map(torch.isfinite, torch.aminmax(tensor))
    ):  # NaN is either's, and it takes a tenth of isfinite
        raise UnusableModel(
            f"The merge gives '{name}' values that are no numbers (NaN or infinity)",
            "Leave the experts out one by one to find a damaged one, or use smaller weights.",
        )


def _computed(recipe: Recipe, inputs: Inputs) -> frozenset[str]:
    """The base's tensors that can't just be copied.

    Where a base mixes dtypes, the fold rounds all to its first tensor's: the others count as changed.
    """
    if recipe.method not in KEEPS_UNTOUCHED:
        return frozenset(inputs.base)
    fold = _fold_dtype(recipe.base.path)
    return inputs.touched | {name for name, info in inputs.base.items() if info.dtype != fold}


def merge_to(
    recipe: Recipe, folder: Path, on_tensor: OnTensor, shard_bytes: int = SHARD_BYTES
) -> dict[str, int]:
    """Merge ``recipe`` into safetensors files in ``folder``; a worker holds one tensor of every model at a time.

    Args:
        shard_bytes: a larger result is written in several files.

    Returns:
        How many tensors were written (``tensors``), and how many of them were copied (``copied``).

    Raises:
        UnusableModel: the inputs do not go together, or the result is not finite.
    """
    from mergekit.common import dtype_from_name
    from transformers import set_seed

    inputs = read_inputs(recipe)
    tasks = _plan(recipe, inputs, _fold_dtype(recipe.base.path))
    sources = _outputs(recipe, tasks, inputs)
    announced = {}
    for weight in (task.output_weight for task in tasks):
        dtype = DTYPE_CODES[weight.force_dtype or recipe.dtype]
        announced[weight.name] = (dtype, inputs.base[sources[weight.name]].shape)
    computed = _computed(recipe, inputs)
    set_seed(recipe.seed)
    writer = ModelWriter(folder, announced, shard_bytes)
    lock = threading.Lock()
    done = itertools.count(1)

    def work(task: ExecuteMergeMethodTask) -> None:
        weight = task.output_weight
        tensor = _compute(task, touched=sources[weight.name] in computed)
        tensor = tensor.to(dtype_from_name(weight.force_dtype or recipe.dtype))
        _require_finite(weight.name, tensor, recipe)
        with lock:
            writer.write(weight.name, tensor)
            on_tensor(weight.name, next(done), len(tasks))

    try:
        with stable_trimming(recipe.stable):
            _each(work, tasks, tensors_at_a_time(recipe.method, recipe.parameters))
    except BaseException:
        writer.abandon()
        raise
    writer.close()
    return {"tensors": len(tasks), "copied": sum(source not in computed for source in sources.values())}


def each_change(recipe: Recipe, inputs: Inputs) -> Iterator[tuple[str, torch.Tensor]]:
    """What the merge adds to each tensor that an adapter changes, in float32, one after the other.

    Neither experts nor result are rounded to the recipe's dtype, but for random methods, which draw otherwise in
    another one.
    """
    from mergekit.common import ModelReference
    from mergekit.io.tasks import LoaderCache
    from transformers import set_seed

    drawn = recipe.method in RANDOM
    exact = recipe if drawn else replace(recipe, dtype="float32")
    tasks = _plan(exact, inputs, _fold_dtype(recipe.base.path) if drawn else "F32")
    sources = _outputs(recipe, tasks, inputs)
    base = LoaderCache().get(
        ModelReference.model_validate({"model": {"path": str(recipe.base.path.absolute())}})
    )
    set_seed(recipe.seed)
    for task in tasks:
        source = sources[task.output_weight.name]
        if source in inputs.touched:
            yield source, _compute(task, touched=True).float() - base.get_tensor(source).float()
        elif drawn:
            _compute(task, touched=True)  # for its draws


def _each(work: Callable[[Any], None], items: list[Any], workers: int) -> None:
    """Call ``work`` with every item: in order, or ``workers`` at a time with one thread each."""
    import torch

    if workers == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in pool.map(work, items):
            pass


def save_config(recipe: Recipe, folder: Path) -> None:
    """Write the merged model's ``config.json``: the base's, with the recipe's dtype."""
    _config(recipe).save_pretrained(folder)
