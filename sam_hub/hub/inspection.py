"""What a model on a Hub is, and whether it can serve, without fetching its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sam_hub.errors import UnusableModel
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained
from sam_hub.hub.file_rules import CONFIG_LIMIT, is_wanted, require_none, tree_problems
from sam_hub.hub.repo_snapshot import RepoSnapshot, take_snapshot
from sam_hub.hub.tags import base_of, license_of

METADATA, DESCRIPTOR = "sam_hub.json", "descriptor.json"
ADAPTER_CONFIG, CONFIG = "adapter_config.json", "config.json"
PROMPT_FORMATS = ("b2ner", "json")
# Far above any model; a configuration beyond them asks for more memory than there is.
_PLAUSIBLE = {
    "hidden_size": 65_536,
    "intermediate_size": 1_048_576,
    "num_hidden_layers": 1_000,
    "num_attention_heads": 4_096,
    "vocab_size": 10_000_000,
}


@dataclass(frozen=True)
class Inspection:
    """What is known of a repository at a commit.

    ``snapshot`` is what it was read from; pass it on. ``size`` counts the bytes that a pull fetches. ``metadata``
    and ``descriptor`` are what the repository's ``sam_hub.json`` and ``descriptor.json`` hold, None without them.
    ``reasons`` say why the model can't serve; it can if there are none.
    """

    snapshot: RepoSnapshot
    kind: str  # "adapter" or "full"
    base: str | None
    rank: int | None
    alpha: float | None
    target_modules: tuple[str, ...]
    license: str | None
    labels: tuple[str, ...]
    prompt_format: str | None
    domain: str | None
    size: int
    metadata: Mapping[str, Any] | None = field(default=None, repr=False)
    descriptor: Mapping[str, Any] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def repo(self) -> str:
        """The name of the repository."""
        return self.snapshot.repo

    @property
    def commit(self) -> str:
        """The commit that was looked at."""
        return self.snapshot.commit

    @property
    def verdict(self) -> str:
        """``usable``, ``usable with a warning`` or ``unusable``."""
        if self.reasons:
            return "unusable"
        return "usable with a warning" if self.warnings else "usable"

    def require_usable(self) -> Inspection:
        """Return this inspection if the model can serve.

        Raises:
            UnusableModel: it can't; the message names every reason.
        """
        require_none(self.repo, self.reasons)
        return self


def inspect(hub: Hub, repo: str, revision: str = "main") -> Inspection:
    """Look at a repository: its listing, its small configurations, and the headers of its weights.

    Args:
        revision: a branch, a tag or a commit; the result is pinned to the commit it means now.

    Raises:
        NotFoundOnHub: no such repository or revision, or no access to its files.
        HubError: the network or the Hub failed.
        InputError: no repository can have this name.
    """
    snapshot = take_snapshot(hub, repo, revision)
    wanted = [file for file in snapshot.files if is_wanted(file.path)]
    reasons = tree_problems(snapshot.files)
    notes: list[str] = []
    configs: dict[str, dict[str, Any] | None] = {}
    for path in (CONFIG, ADAPTER_CONFIG, METADATA, DESCRIPTOR):
        file = snapshot.file(path)
        if file and file.size <= CONFIG_LIMIT:  # a larger one is among the tree's problems
            try:
                configs[path] = snapshot.read_json(path)
            except UnusableModel as error:  # a model serves without a descriptor
                (notes if path == DESCRIPTOR else reasons).append(error.title)
    if not reasons:
        weights = [file for file in wanted if file.path.endswith(".safetensors")]
        with explained(hub, snapshot.repo):
            reasons += [problem for file in weights if (problem := snapshot.header_problem(file))]
    is_adapter = snapshot.file(ADAPTER_CONFIG) is not None
    adapter, config, metadata = configs.get(ADAPTER_CONFIG) or {}, configs.get(CONFIG) or {}, configs.get(METADATA)
    about, license = metadata or {}, license_of(snapshot.tags)
    rank, alpha, modules = adapter.get("r"), adapter.get("lora_alpha"), adapter.get("target_modules")
    base, base_warnings = _base(is_adapter, adapter, about, snapshot.tags)
    return Inspection(
        snapshot=snapshot,
        kind="adapter" if is_adapter else "full",
        base=base,
        rank=rank if isinstance(rank, int) else None,
        alpha=float(alpha) if isinstance(alpha, int | float) else None,
        target_modules=tuple(sorted(_strings([modules] if isinstance(modules, str) else modules))),
        license=license or _text(about.get("license")),
        labels=_strings(about.get("labels")),
        prompt_format=_text(about.get("prompt_format")),
        domain=_text(about.get("domain")),
        size=sum(file.size for file in wanted),
        metadata=metadata,
        descriptor=configs.get(DESCRIPTOR),
        warnings=(*base_warnings, *_warnings(metadata, license), *notes),
        reasons=(*reasons, *_config_problems(snapshot, adapter, config)),
    )


def _base(is_adapter: bool, adapter: dict, about: dict, tags: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The base model: as the adapter says, unless that is someone's local path; then the card, then sam_hub.json."""
    named = _text(adapter.get("base_model_name_or_path"))
    if named and (named.startswith((".", "/", "~")) or named.count("/") > 1 or "\\" in named):
        named = None
    bases = list(dict.fromkeys(name for name in (named, base_of(tags), _text(about.get("base"))) if name))
    if len(bases) > 1:
        return bases[0], [f"it names two bases: {bases[0]} and {bases[1]}"]
    if is_adapter and not bases:
        return None, ["it does not name its base model"]
    return next(iter(bases), None), []


def _config_problems(snapshot: RepoSnapshot, adapter: dict, config: dict) -> Iterator[str]:
    if snapshot.file(ADAPTER_CONFIG) is None and snapshot.file(CONFIG) is None:
        yield "it has neither config.json nor adapter_config.json"
    if config.get("auto_map"):
        yield "it needs code from its repository (auto_map), which is never run"
    if str(adapter.get("peft_type", "LORA")).upper() != "LORA":
        yield f"its adapter is {adapter.get('peft_type')}, not LoRA"
    for key, most in _PLAUSIBLE.items():
        value = config.get(key, 1)
        if value is not None and (not isinstance(value, int) or not 0 < value <= most):
            yield f"config.json says {key} = {str(value)[:40]}, which can't be"


def _warnings(metadata: dict | None, license: str | None) -> Iterator[str]:
    if metadata is None:
        yield f"it has no {METADATA}: its labels and prompt format must be given"
    else:
        if not _strings(metadata.get("labels")):
            yield f"{METADATA} names no labels"
        if metadata.get("prompt_format") not in PROMPT_FORMATS:
            yield f"{METADATA} names no prompt format that is known here"
    if license is None:
        yield "it states no license"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
