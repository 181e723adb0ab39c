"""mergekit inside this process: its tasks for a recipe, with adapters folded as they are read, and nothing left behind.

mergekit folds each adapter into a full model on disk first: for a base of 135M parameters and three experts 770 MB and
23 s. Its cache of loaders is one dictionary for the process, keyed by path, so that a later merge could be given the
weights of an earlier one. Here folded models are offered to that cache for the time of one merge, under a lock.
"""

from __future__ import annotations

import atexit
import gc
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UnusableModel
from sam_hub.hub.weights import TensorInfo, weight_files
from sam_hub.inference.adapters import Adapter
from sam_hub.merging.checks import FLOATS, Inputs
from sam_hub.merging.configuration import to_mergekit
from sam_hub.merging.methods import METHODS, stable_name
from sam_hub.merging.recipe import Recipe
from sam_hub.merging.stable_methods import register_stable_methods
from sam_hub.merging.tensor_file import DTYPE_CODES

if TYPE_CHECKING:
    import torch
    from mergekit.architecture import WeightInfo
    from mergekit.merge_methods.task_adapter import ExecuteMergeMethodTask

BUFFERS = (".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias")  # constants that old checkpoints hold
_ONE_AT_A_TIME = threading.Lock()


@cache
def preload_mergekit() -> Future[None]:
    """Start to import mergekit in a thread, so that it is loaded while a merge is planned; once in a process."""
    pool = ThreadPoolExecutor(1, "mergekit")
    try:
        return pool.submit(_load_mergekit)
    finally:
        pool.shutdown(wait=False)


def _load_mergekit() -> None:
    """Import mergekit and what it needs: 6.1 s of processor time, 5.1 s without garbage collection meanwhile.

    What it brings is not collected at the exit of the process either, which would take 1.2 s more.
    """
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    collects = gc.isenabled()
    gc.disable()
    try:
        import mergekit.merge_methods
        import mergekit.plan  # noqa: F401
    finally:
        if collects:
            gc.enable()


@contextmanager
def mergekit_session(seed: int) -> Iterator[None]:
    """Have mergekit to oneself: its cache is empty, random numbers start at ``seed``, threads may be set.

    All three are put back at the end. One thread of the process at a time is let in.
    """
    preload_mergekit().result()
    import torch
    from mergekit.io.tasks import LoaderCache

    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cached, threads = dict(LoaderCache.loaders), torch.get_num_threads()
        LoaderCache.loaders.clear()
        try:
            yield
        finally:
            LoaderCache.loaders.clear()
            LoaderCache.loaders.update(cached)
            torch.set_num_threads(threads)


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
        """Return the base's tensor ``key`` with the adapter's change."""
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


def fold_dtype(base: Path) -> str:
    """Return the dtype (a safetensors code) in which mergekit's fold loads the base: its first floating tensor's."""
    from safetensors import safe_open

    with safe_open(weight_files(base)[0], framework="pt") as file:
        codes = (file.get_slice(name).get_dtype() for name in file.keys())  # noqa: SIM118
        return next((code for code in codes if code in FLOATS), "F32")


def base_loader(recipe: Recipe) -> Any:
    """Return mergekit's reader of the base's tensors."""
    from mergekit.common import ModelReference
    from mergekit.io.tasks import LoaderCache

    path = str(recipe.base.path.absolute())
    return LoaderCache().get(ModelReference.model_validate({"model": {"path": path}}))


def merge_tasks(recipe: Recipe, inputs: Inputs, fold: str) -> list[ExecuteMergeMethodTask]:
    """Return mergekit's tasks, one an output tensor, in the order in which stock mergekit executes them.

    Args:
        fold: the dtype in which adapters are folded; see `fold_dtype`.
    """
    from mergekit.architecture import get_architecture_info
    from mergekit.config import MergeConfiguration
    from mergekit.io.tasks import LoaderCache, SaveTensor
    from mergekit.options import MergeOptions
    from mergekit.plan import MergePlanner

    # Without a model card: for it, mergekit asks the Hub about local paths, and fails where there is no network.
    options = MergeOptions(trust_remote_code=False, allow_crimes=False, write_model_card=False, quiet=True)
    LoaderCache().setup(options)
    content = to_mergekit(recipe)
    if METHODS[recipe.method].own:
        from sam_hub.merging.svd_methods import register_svd_methods

        register_svd_methods()
    if recipe.stable:
        register_stable_methods()
        content["merge_method"] = stable_name(recipe.method)
    config = MergeConfiguration.model_validate(content)
    _offer_inputs(recipe, inputs, config, fold)
    alone = {"merge_method": "passthrough", "models": [{"model": {"model": {"path": str(recipe.base.path)}}}]}
    architecture = get_architecture_info(MergeConfiguration.model_validate(alone), options)
    planner = MergePlanner(config, architecture, options=options, out_model_config=model_config(recipe))
    # The saving tasks are taken apart, not executed: nothing is written to the path.
    saves = [task for task in planner.plan_to_disk(os.devnull) if isinstance(task, SaveTensor)]
    return sorted((save.tensor_task for save in saves), key=lambda task: task.group_label() or "")


def _offer_inputs(recipe: Recipe, inputs: Inputs, config: Any, fold: str) -> None:
    """Put the models, folded in the dtype ``fold``, where mergekit looks for loaded ones."""
    from mergekit.common import dtype_from_name
    from mergekit.io.tasks import LoaderCache

    cache, base = LoaderCache(), base_loader(recipe)
    dtype = dtype_from_name(next(name for name, known in DTYPE_CODES.items() if known == fold))
    for reference in config.referenced_models():
        if reference.lora is None:
            cache.get(reference)  # now, since the cache of another thread would not know the options
        else:
            cache.loaders[reference] = FoldedModel(base, inputs.adapters[Path(reference.lora.path)], dtype)


def model_config(recipe: Recipe) -> Any:
    """Return the merged model's configuration: the base's, with the recipe's dtype."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(recipe.base.path, trust_remote_code=False, local_files_only=True)
    config.dtype = recipe.dtype
    return config


def output_sources(recipe: Recipe, tasks: list[ExecuteMergeMethodTask], inputs: Inputs) -> dict[str, str]:
    """Return the base's tensor for each output tensor.

    Raises:
        UnusableModel: a tensor of the base would get lost, since mergekit does not know it.
    """
    sources = {task.output_weight.name: _source(task.output_weight, inputs.base) for task in tasks}
    lost = sorted(set(inputs.base) - set(sources.values()))
    if lost := [name for name in lost if not name.endswith(BUFFERS)]:
        raise UnusableModel(f"mergekit does not know the tensor '{lost[0]}' of {recipe.base.repo}", "Use another base.")
    return sources


def _source(weight: WeightInfo, base: Mapping[str, TensorInfo]) -> str:
    names = (weight.name, *(weight.aliases or ()), *(weight.tied_names or ()))
    if found := next((name for name in names if name in base), None):
        return found
    raise UnusableModel(
        f"The base has no tensor '{weight.name}'", "Save the base again with a current transformers release."
    )


def compute(task: ExecuteMergeMethodTask, *, touched: bool) -> torch.Tensor:
    """Load what one output tensor needs, and merge it.

    Args:
        touched: an expert changes the tensor; else it is the base's.
    """
    loads = task.gather_tensors.arguments()
    if not touched:
        base = next(load for load in loads.values() if load.model == task.base_model)
        return _keep(base.execute(), task)
    tensors = task.gather_tensors.execute(**{key: load.execute() for key, load in loads.items()})
    return task.execute(tensors)


def _keep(base: torch.Tensor, task: ExecuteMergeMethodTask) -> torch.Tensor:
    """Return the base's tensor as the method gives it back where no expert changes it.

    That is the tensor itself, but for the sign of its zeros: base + 0 turns -0 into +0, and whether the sum
    is +0 or -0 depends on the experts' weights. So the method is asked, with a tensor that is one -0.
    """
    import torch

    zero = torch.full((1,) * base.ndim, -0.0, dtype=base.dtype)
    answer = task.execute(dict.fromkeys(task.model_order, zero))
    return base if torch.signbit(answer).all() else base + 0.0
