"""Checks before a merge: what would fail or give a bad model is said before the work, with what to do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_hub.errors import DiskFull, SamHubError, UnusableModel
from sam_hub.hub.weights import DTYPE_BYTES, TensorInfo, read_headers, weights_sha256
from sam_hub.inference.adapters import Adapter, is_adapter, read_adapter, read_json, untrained_targets
from sam_hub.merging.methods import METHODS, tensors_at_a_time
from sam_hub.merging.recipe import ModelInput, Recipe, config_sha256
from sam_hub.merging.tensor_file import DTYPE_CODES

ABOUT = "sam_hub.json"  # written beside an adapter by training: base_sha256, labels, prompt_format and so on
FLOATS = {"F64", "F32", "F16", "BF16"}
LIBRARY_BYTES = 900_000_000  # torch, transformers and mergekit, loaded
SPARE_BYTES = 50_000_000  # tokenizer, configuration, and some room
# What the names of licenses on the Hub's list say, in lower case: a hint where to read, and no legal advice.
NO_DERIVATIVES = re.compile(r"\bnd\b")
NON_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial|research")
# Each asks that what is derived from it be under the same terms, which can't be two at once.
SHARE_ALIKE = re.compile(r"\bsa\b|^[al]?gpl|^odbl|^fdl|^gfdl|^openrail|^bigscience|^bigcode|^llama|^gemma")
OWN_BASE = "Leave it out, or merge experts of its own base."


@dataclass(frozen=True)
class Finding:
    """One thing a check found: what it is, and what to do."""

    what: str
    action: str
    error: type[SamHubError] = UnusableModel

    def __str__(self) -> str:
        return f"{self.what}. {self.action}"


@dataclass(frozen=True)
class Inputs:
    """What the headers of a recipe's inputs say: the base's tensors, and the adapters among the experts."""

    base: Mapping[str, TensorInfo]
    adapters: Mapping[Path, Adapter]
    full: tuple[ModelInput, ...]

    @property
    def touched(self) -> frozenset[str]:
        """Names of the base's tensors that some expert changes."""
        if self.full:
            return frozenset(self.base)
        return frozenset(name for adapter in self.adapters.values() for name in adapter.pairs)


@dataclass(frozen=True)
class Report:
    """The outcome of all checks. Errors forbid the merge, warnings ask for a look, notes inform.

    ``inputs`` is None if the inputs have errors.
    """

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    inputs: Inputs | None = None

    def raise_errors(self) -> None:
        """Raise the first error, with the number of the others.

        Raises:
            UnusableModel, DiskFull: there is an error.
        """
        if self.errors:
            first, more = self.errors[0], len(self.errors) - 1
            raise first.error(first.what + (f" (and {more} more problems)" if more else ""), first.action)


def read_inputs(recipe: Recipe) -> Inputs:
    """Read all headers of a recipe's inputs.

    Raises:
        UnusableModel: one is damaged or unsupported.
    """
    adapters = {e.path: read_adapter(e.path) for e in recipe.experts if is_adapter(e.path)}
    full = tuple(expert for expert in recipe.experts if expert.path not in adapters)
    return Inputs(read_headers(recipe.base.path), adapters, full)


def about(folder: Path) -> dict[str, Any]:
    """Return what training recorded in ``sam_hub.json``; empty where there is none."""
    return read_json(folder / ABOUT) if (folder / ABOUT).is_file() else {}


def check_recipe(
    recipe: Recipe, output: Path | None = None, licenses: Mapping[str, str | None] | None = None
) -> Report:
    """Check a recipe's inputs and, for ``output``, the disk; nothing is loaded or written.

    Args:
        licenses: the known ones, by repository; for others, the experts' own records count.
    """
    errors: list[Finding] = []
    warnings: list[Finding] = []
    try:
        base = read_headers(recipe.base.path)
        errors += _check_base(recipe.base, base)
    except UnusableModel as error:
        return Report((Finding(f"The base {recipe.base.repo} can't be used: {error.title}", error.action),))
    for expert in recipe.experts:
        try:
            errors += list(_check_expert(recipe.base, expert, base))
            warnings += _doubts(recipe.base, expert)
        except UnusableModel as error:
            errors.append(Finding(f"The expert {expert.repo} can't be merged: {error.title}", error.action))
    if errors:
        return Report(tuple(errors), tuple(warnings))
    inputs = read_inputs(recipe)
    own = {expert.repo: about(expert.path).get("license") for expert in recipe.experts}
    known = own | {repo: license for repo, license in (licenses or {}).items() if license}
    warnings += _differing_formats(recipe)
    warnings += _license_conflicts(known)
    warnings += _check_memory(recipe, inputs)
    notes = tuple(_notes(recipe, inputs, known))
    return Report(tuple(_check_disk(recipe, inputs, output)), tuple(warnings), notes, inputs)


def _check_pin(model: ModelInput, what: str) -> Iterator[Finding]:
    """Nothing stale may be served: what lies on disk must be what the recipe names."""
    config = model.config_sha256 and config_sha256(model.path) != model.config_sha256
    if config or weights_sha256(model.path) != model.weights_sha256:
        yield Finding(
            f"The {what} {model.repo} was changed in {model.path} after it was chosen",
            "Make the recipe again, or pull the model again.",
        )


def _check_base(base: ModelInput, tensors: Mapping[str, TensorInfo]) -> Iterator[Finding]:
    if read_json(base.path / "config.json").get("quantization_config"):
        yield Finding(f"The base {base.repo} is quantized", "Use the base in bfloat16 or float32.")
    if not any(info.dtype in FLOATS for info in tensors.values()):
        yield Finding(f"The base {base.repo} holds no floating-point weights", "Use another base.")
    yield from _check_pin(base, "base")


def _check_expert(base: ModelInput, expert: ModelInput, tensors: Mapping[str, TensorInfo]) -> Iterator[Finding]:
    recorded = about(expert.path).get("base_sha256")
    if recorded and recorded != base.weights_sha256:
        trained = f"it was trained on weights {str(recorded)[:12]}, {base.repo} has {base.weights_sha256[:12]}"
        yield Finding(f"The expert {expert.repo} has another base: {trained}", OWN_BASE)
        return
    if is_adapter(expert.path):
        yield from _check_adapter(base, expert, tensors)
    elif odd := _differing_model(base.path, expert.path, tensors):
        yield Finding(f"The expert {expert.repo} {odd}", OWN_BASE)
    if odd := _differing_tokenizer(base.path, expert.path):
        yield Finding(f"The expert {expert.repo} has another tokenizer: it {odd}", OWN_BASE)
    yield from _check_pin(expert, "expert")


def _check_adapter(base: ModelInput, expert: ModelInput, tensors: Mapping[str, TensorInfo]) -> Iterator[Finding]:
    adapter = read_adapter(expert.path)
    for name, pair in adapter.pairs.items():
        if name not in tensors or tensors[name].shape != pair.shape:
            has = list(tensors[name].shape) if name in tensors else "no such tensor"
            where = f"'{name}' is {list(pair.shape)} in the expert, {has} in the base"
            yield Finding(f"The expert {expert.repo} does not fit the base {base.repo}: {where}", OWN_BASE)
            return
    if absent := untrained_targets(adapter, tensors):
        yield Finding(
            f"The expert {expert.repo} says it changes '{absent[0]}' but holds no weights for it",
            "Pull the adapter again; it is incomplete.",
        )


def _differing_model(base: Path, expert: Path, tensors: Mapping[str, TensorInfo]) -> str:
    """Return how a full model differs from the base in architecture, tensors or shapes; empty if it doesn't."""
    own = read_headers(expert)
    architectures = [read_json(path / "config.json").get("architectures") for path in (base, expert)]
    if architectures[0] != architectures[1]:
        return f"is a {architectures[1]}, the base a {architectures[0]}"
    if odd := sorted(set(tensors) ^ set(own)):
        return f"and the base do not have the same tensors: '{odd[0]}'"
    if odd := sorted(name for name in tensors if tensors[name].shape != own[name].shape):
        return f"has '{odd[0]}' as {list(own[odd[0]].shape)}, the base as {list(tensors[odd[0]].shape)}"
    return ""


def _differing_tokenizer(base: Path, expert: Path) -> str:
    """Return how the tokenizer beside an expert numbers tokens otherwise than the base's; empty if it doesn't."""
    files = [folder / "tokenizer.json" for folder in (base, expert)]
    if not all(file.is_file() for file in files):
        return ""
    known, own = map(_numbering, files)
    if odd := sorted(token for token, number in own.items() if known.get(token, number) != number):
        return f"numbers '{odd[0]}' {own[odd[0]]}, the base {known[odd[0]]}"
    return f"has {len(own)} tokens, the base {len(known)}" if len(known) != len(own) else ""


def _numbering(file: Path) -> dict[str, int]:
    content = read_json(file)
    vocabulary = (content.get("model") or {}).get("vocab") or {}
    if not isinstance(vocabulary, dict):  # a unigram model's list of (token, score)
        vocabulary = {token: number for number, (token, *_) in enumerate(vocabulary)}
    return {**vocabulary, **{row["content"]: row["id"] for row in content.get("added_tokens") or ()}}


def _doubts(base: ModelInput, expert: ModelInput) -> Iterator[Finding]:
    if is_adapter(expert.path) and not about(expert.path).get("base_sha256"):
        named = read_json(expert.path / "adapter_config.json").get("base_model_name_or_path") or "no base"
        yield Finding(
            f"{expert.repo} does not record its base's weights; its adapter names {named}, the shapes fit",
            f"Make sure that it is an expert of {base.repo}.",
        )


def _differing_formats(recipe: Recipe) -> Iterator[Finding]:
    formats = {expert.repo: about(expert.path).get("prompt_format") for expert in recipe.experts}
    if len({value for value in formats.values() if value}) > 1:
        listed = ", ".join(f"{repo}: {value}" for repo, value in formats.items())
        yield Finding(f"The experts use different prompt formats ({listed})", "Merge experts of one format.")


def _license_conflicts(licenses: Mapping[str, str | None]) -> Iterator[Finding]:
    """Yield what does not go together among the licenses of the inputs: a merge is derived from all of them."""
    action = "Read the licenses before you publish the merge, or leave experts out"
    known = {repo: license.lower() for repo, license in licenses.items() if license}
    for repo, license in known.items():
        if NO_DERIVATIVES.search(license):
            yield Finding(f"{repo} is under {license}, which does not allow derived works such as a merge", action)
    narrow = [repo for repo, license in known.items() if NON_COMMERCIAL.search(license)]
    free = [repo for repo in known if repo not in narrow]
    if narrow and free:
        limit = f"the merge may not be used commercially, though {free[0]} ({known[free[0]]}) may"
        yield Finding(f"{narrow[0]} is under {known[narrow[0]]}: {limit}", action)
    alike = {license: repo for repo, license in known.items() if SHARE_ALIKE.search(license)}
    if len(alike) > 1:
        listed = ", ".join(f"{repo}: {license}" for license, repo in sorted(alike.items()))
        yield Finding(f"Each of these licenses requires its own terms for the merge ({listed})", action)


def _notes(recipe: Recipe, inputs: Inputs, licenses: Mapping[str, str | None]) -> Iterator[str]:
    adapters = list(inputs.adapters.values())
    ranks = sorted({pair.rank for adapter in adapters for pair in adapter.pairs.values()})
    if len(ranks) > 1:
        yield f"The adapters' ranks differ ({', '.join(map(str, ranks))}). This is not a problem."
    modules = {
        ", ".join(sorted({name.removesuffix(".weight").rpartition(".")[2] for name in adapter.pairs}))
        for adapter in adapters
    }
    if len(modules) > 1:
        listed = "; ".join(sorted(modules))
        yield f"The adapters change different modules ({listed}); if one has none, its change counts as 0."
    if unknown := [repo for repo, license in licenses.items() if not license]:
        yield f"No license is recorded for {', '.join(unknown)}; their cards may name one."
    if any(adapter.config.get("use_rslora") for adapter in adapters):
        yield "Some adapters use rsLoRA: their scale is alpha / sqrt(rank)."
    if any(adapter.config.get("use_dora") for adapter in adapters):
        yield "Some adapters use DoRA: they also change the length of each row of a weight."
    if METHODS[recipe.method].keeps_untouched and not inputs.full:
        copied = len(inputs.base) - len(inputs.touched)
        yield f"{copied} of {len(inputs.base)} tensors are changed by no expert and are copied."


def bytes_to_write(recipe: Recipe, inputs: Inputs) -> int:
    """Return the size of the merged weights, in bytes."""
    return sum(info.size for info in inputs.base.values()) * DTYPE_BYTES[DTYPE_CODES[recipe.dtype]]


def memory_needed(recipe: Recipe, inputs: Inputs) -> int:
    """Estimate the peak memory of a merge and the check after it, in bytes.

    The merge holds the libraries and the largest tensor, once for each model, and sorting it by magnitude takes 8 + 4
    bytes an element more. The check holds one model, at most in float32.
    """
    names = inputs.touched if METHODS[recipe.method].keeps_untouched else frozenset(inputs.base)
    largest = max((inputs.base[name].size for name in names), default=0)
    copied = max((info.size * DTYPE_BYTES[info.dtype] for info in inputs.base.values()), default=0)
    width = 2 if recipe.dtype != "float32" else 4
    bytes_each = 2 * (len(recipe.experts) + 1) * width + 24
    if METHODS[recipe.method].own:
        bytes_each = 20 * (len(recipe.experts) + 1)  # folded, changes, side by side, and both sides of a full SVD
    at_a_time = tensors_at_a_time(recipe.method, recipe.parameters)
    whole = 4 * sum(info.size for info in inputs.base.values())
    return LIBRARY_BYTES + max(at_a_time * largest * bytes_each, 2 * copied, whole)


def _check_disk(recipe: Recipe, inputs: Inputs, output: Path | None) -> Iterator[Finding]:
    if output is None:
        return
    needed = bytes_to_write(recipe, inputs) + SPARE_BYTES
    folder = next(parent for parent in output.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if free < needed:
        yield Finding(
            f"The merge needs {needed / 1e6:.0f} MB in {folder}, which has {free / 1e6:.0f} MB free",
            f"Free {(needed - free) / 1e6:.0f} MB, or set SAM_HUB_HOME to a larger disk.",
            DiskFull,
        )


def _check_memory(recipe: Recipe, inputs: Inputs) -> Iterator[Finding]:
    import psutil

    needed, free = memory_needed(recipe, inputs), psutil.virtual_memory().available
    if free < needed:
        yield Finding(
            f"The merge may need {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free",
            "Close other programs first, or merge on a larger machine.",
        )
