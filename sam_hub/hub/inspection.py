"""What a model on a Hub is, and whether it can serve, without fetching its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sam_hub.errors import UnusableModel
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained
from sam_hub.hub.file_rules import CONFIG_LIMIT, RemoteFile, is_wanted, tree_problems
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
    use_rslora: bool
    use_dora: bool
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
        if self.reasons:
            reasons = "; ".join(self.reasons)
            raise UnusableModel(f"'{self.repo}' can't be used: {reasons}", "Choose another model.")
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
    reasons = tree_problems(snapshot.files)
    notes: list[str] = []
    configs: dict[str, Any] = {}
    for path in (CONFIG, ADAPTER_CONFIG, METADATA, DESCRIPTOR):
        file = snapshot.file(path)
        if file and file.size <= CONFIG_LIMIT:  # a larger one is among the tree's problems
            try:
                configs[path] = snapshot.read_json(path)
            except UnusableModel as error:  # a model serves without a descriptor
                (notes if path == DESCRIPTOR else reasons).append(error.title)
    if not reasons:
        weights = [f for f in snapshot.files if f.path.endswith(".safetensors") and is_wanted(f.path)]
        with explained(hub, snapshot.repo):
            reasons += [problem for file in weights if (problem := snapshot.header_problem(file))]
    return _assemble(snapshot, configs, reasons, notes)


def _assemble(snapshot: RepoSnapshot, configs: dict[str, Any], reasons: list[str], notes: list[str]) -> Inspection:
    is_adapter = snapshot.file(ADAPTER_CONFIG) is not None
    adapter, config = configs.get(ADAPTER_CONFIG) or {}, configs.get(CONFIG) or {}
    metadata, license = configs.get(METADATA), license_of(snapshot.tags)
    about = metadata or {}
    rank, alpha, modules = adapter.get("r"), adapter.get("lora_alpha"), adapter.get("target_modules")
    base, base_warnings = _base(is_adapter, adapter, about, snapshot.tags)
    return Inspection(
        snapshot=snapshot,
        kind="adapter" if is_adapter else "full",
        base=base,
        rank=rank if isinstance(rank, int) else None,
        alpha=float(alpha) if isinstance(alpha, int | float) else None,
        target_modules=tuple(sorted(_strings([modules] if isinstance(modules, str) else modules))),
        use_rslora=bool(adapter.get("use_rslora")),
        use_dora=bool(adapter.get("use_dora")),
        license=license or _text(about.get("license")),
        labels=_strings(about.get("labels")),
        prompt_format=_text(about.get("prompt_format")),
        domain=_text(about.get("domain")),
        size=sum(file.size for file in snapshot.files if is_wanted(file.path)),
        metadata=metadata,
        descriptor=configs.get(DESCRIPTOR),
        warnings=(*base_warnings, *_warnings(metadata, license), *notes),
        reasons=(*reasons, *_config_problems(is_adapter, adapter, config, snapshot.files)),
    )


def _base(is_adapter: bool, adapter: dict, about: dict, tags: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The base model: as the adapter says, unless that is someone's local path; then the card, then sam_hub.json."""
    named = _text(adapter.get("base_model_name_or_path"))
    if named and (named.startswith((".", "/", "~")) or named.count("/") > 1 or "\\" in named):
        named = None
    others = [name for name in (base_of(tags), _text(about.get("base"))) if name]
    base = named or next(iter(others), None)
    if any(other != base for other in others):
        other = next(name for name in others if name != base)
        return base, [f"it names two bases: {base} and {other}"]
    if is_adapter and base is None:
        return None, ["it does not say of which base model it is an adapter"]
    return base, []


def _config_problems(is_adapter: bool, adapter: dict, config: dict, files: tuple[RemoteFile, ...]) -> list[str]:
    problems = []
    if not is_adapter and not any(file.path == CONFIG for file in files):
        problems.append("it has neither config.json nor adapter_config.json")
    if config.get("auto_map"):
        problems.append("it needs code from its repository (auto_map), which is never run")
    if str(adapter.get("peft_type", "LORA")).upper() != "LORA":
        problems.append(f"its adapter is {adapter.get('peft_type')}, not LoRA")
    for key, most in _PLAUSIBLE.items():
        value = config.get(key, 1)
        if value is not None and (not isinstance(value, int) or not 0 < value <= most):
            problems.append(f"config.json says {key} = {str(value)[:40]}, which can't be")
    return problems


def _warnings(metadata: dict | None, license: str | None) -> list[str]:
    warnings = []
    if metadata is None:
        warnings.append(f"it has no {METADATA}: its labels and prompt format must be given")
    else:
        if not _strings(metadata.get("labels")):
            warnings.append(f"{METADATA} names no labels")
        if metadata.get("prompt_format") not in PROMPT_FORMATS:
            warnings.append(f"{METADATA} names no prompt format that is known here")
    if license is None:
        warnings.append("it states no license")
    return warnings


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
