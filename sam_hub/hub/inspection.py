"""What a model on a Hub is, and whether it can serve, without fetching its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sam_hub.errors import UnusableModel
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained, retried
from sam_hub.hub.file_rules import CONFIG_LIMIT, RemoteFile, is_wanted, tree_problems
from sam_hub.hub.remote_files import list_files, read_json, safetensors_problem
from sam_hub.hub.repo_id import check_repo_id
from sam_hub.hub.tags import base_of, license_of

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

METADATA, DESCRIPTOR = "sam_hub.json", "descriptor.json"
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

    ``size`` counts the bytes that a pull would fetch. ``metadata`` and ``descriptor`` are what the
    repository's ``sam_hub.json`` and ``descriptor.json`` hold, None without them. ``reasons`` say why
    the model can't serve; it can if there are none.
    """

    repo: str
    commit: str
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
    files: tuple[RemoteFile, ...]
    gated: bool
    private: bool
    tags: tuple[str, ...]
    metadata: Mapping[str, Any] | None = field(default=None, repr=False)
    descriptor: Mapping[str, Any] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``usable``, ``usable with a warning`` or ``unusable``."""
        if self.reasons:
            return "unusable"
        return "usable with a warning" if self.warnings else "usable"

    def require_usable(self) -> Inspection:
        """This inspection, if the model can serve.

        Raises:
            UnusableModel: it can't; the message names every reason.
        """
        if self.reasons:
            raise UnusableModel(
                f"'{self.repo}' can't be used: {'; '.join(self.reasons)}", "Choose another model."
            )
        return self


def inspect(hub: Hub, repo: str, revision: str = "main") -> Inspection:
    """Look at a repository: its listing, its small configurations, and the headers of its weights.

    Args:
        revision: a branch, a tag or a commit; what is found is pinned to the commit it means now.

    Raises:
        NotFoundOnHub: no such repository or revision, or no access to its files.
        HubError: the network or the Hub failed.
        InputError: a name that no repository can have.
    """
    repo = check_repo_id(repo)
    with explained(hub, repo):
        info = retried(lambda: hub.api().model_info(repo, revision=revision))
        files = list_files(hub, repo, info.sha)
        reasons = tree_problems(files)
        configs, warnings = _configurations(hub, repo, info.sha, files, reasons)
        if not reasons:
            reasons += _weight_problems(hub, repo, info.sha, files)
    return _assemble(repo, info, files, configs, reasons, warnings)


def _configurations(
    hub: Hub, repo: str, commit: str, files: tuple[RemoteFile, ...], reasons: list[str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The small JSON files that say what a model is, and warnings; what makes it useless goes to ``reasons``."""
    configs, warnings = {}, []
    for file in files:
        if (
            file.path in ("config.json", "adapter_config.json", METADATA, DESCRIPTOR)
            and file.size <= CONFIG_LIMIT
        ):
            try:
                configs[file.path] = read_json(hub, repo, commit, file)
            except UnusableModel as error:  # a model serves without a descriptor
                (warnings if file.path == DESCRIPTOR else reasons).append(error.title)
    return configs, warnings


def _weight_problems(hub: Hub, repo: str, commit: str, files: tuple[RemoteFile, ...]) -> list[str]:
    weights = [file for file in files if file.path.endswith(".safetensors") and is_wanted(file.path)]
    problems = (safetensors_problem(hub, repo, commit, file) for file in weights)
    return [problem for problem in problems if problem]


def _assemble(
    repo: str,
    info: ModelInfo,
    files: tuple[RemoteFile, ...],
    configs: dict[str, dict[str, Any]],
    reasons: list[str],
    warnings: list[str],
) -> Inspection:
    adapter, config = configs.get("adapter_config.json"), configs.get("config.json", {})
    metadata, tags = configs.get(METADATA), tuple(info.tags or ())
    said = metadata or {}
    rank, alpha = (adapter or {}).get("r"), (adapter or {}).get("lora_alpha")
    modules = (adapter or {}).get("target_modules")
    base, base_warnings = _base(adapter, said, tags)
    return Inspection(
        repo=repo,
        commit=info.sha or "",
        kind="full" if adapter is None else "adapter",
        base=base,
        rank=rank if isinstance(rank, int) else None,
        alpha=float(alpha) if isinstance(alpha, int | float) else None,
        target_modules=tuple(sorted(_strings([modules] if isinstance(modules, str) else modules))),
        use_rslora=bool((adapter or {}).get("use_rslora")),
        use_dora=bool((adapter or {}).get("use_dora")),
        license=license_of(tags) or _text(said.get("license")),
        labels=_strings(said.get("labels")),
        prompt_format=_text(said.get("prompt_format")),
        domain=_text(said.get("domain")),
        size=sum(file.size for file in files if is_wanted(file.path)),
        files=files,
        gated=bool(info.gated),
        private=bool(info.private),
        tags=tags,
        metadata=metadata,
        descriptor=configs.get(DESCRIPTOR),
        warnings=(*base_warnings, *_warnings(metadata, license_of(tags)), *warnings),
        reasons=(*reasons, *_config_problems(adapter, config, files)),
    )


def _base(adapter: dict | None, said: dict, tags: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The base model: as the adapter says, unless that is someone's local path; then the card, then us."""
    named = _text((adapter or {}).get("base_model_name_or_path"))
    if named and (named.startswith((".", "/", "~")) or named.count("/") > 1 or "\\" in named):
        named = None
    others = [name for name in (base_of(tags), _text(said.get("base"))) if name]
    base = named or next(iter(others), None)
    if any(other != base for other in others):
        return base, [f"it names two bases: {base} and {next(name for name in others if name != base)}"]
    if adapter is not None and base is None:
        return None, ["it does not say of which base model it is an adapter"]
    return base, []


def _config_problems(adapter: dict | None, config: dict, files: tuple[RemoteFile, ...]) -> list[str]:
    problems = []
    if adapter is None and not any(file.path == "config.json" for file in files):
        problems.append("it has neither config.json nor adapter_config.json")
    if config.get("auto_map"):
        problems.append("it needs code from its repository (auto_map), which is never run")
    if adapter is not None and str(adapter.get("peft_type", "LORA")).upper() != "LORA":
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
