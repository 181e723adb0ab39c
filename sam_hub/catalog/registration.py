"""Bring models from a Hub into the catalog and onto the disk, and find those that their owners changed since."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from humanize import naturalsize
from pydantic import ValidationError

from sam_hub.catalog.descriptor_sources import CORPUS
from sam_hub.catalog.descriptors import get_descriptor, put_descriptor, read_descriptor
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import add_base, add_expert, base_of, get_expert, list_experts, place_expert
from sam_hub.catalog.history import latest_selections
from sam_hub.catalog.tables import Base, Expert, ExpertCreate
from sam_hub.errors import InputError, NotFoundOnHub, UnusableModel, first_fault
from sam_hub.hub.client import Hub
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.inspection import DESCRIPTOR, Inspection, inspect
from sam_hub.hub.repo_snapshot import head_of
from sam_hub.hub.weights import parameter_count, weights_sha256
from sam_hub.progress import SILENT, Reporter

DETAILS = ("role", "recipe", "data", "scores")  # of an expert's sam_hub.json, as they are


def register(
    catalog: Catalog,
    hub: Hub,
    repo: str,
    revision: str = "main",
    *,
    labels: Sequence[str] = (),
    base: str | None = None,
    domain: str | None = None,
    prompt_format: str | None = None,
) -> tuple[Expert, Inspection]:
    """Inspect a repository and add it to the catalog at the commit its revision means now.

    Args:
        labels, base, domain, prompt_format: take the place of what the repository says of itself.

    Raises:
        UnusableModel: it can't serve; every reason is named.
        InputError: nobody says of which base it is.
    """
    found = inspect(hub, repo, revision)
    return _add(
        catalog,
        replace(
            found,
            labels=tuple(labels) or found.labels,
            base=base or found.base,
            domain=domain or found.domain,
            prompt_format=prompt_format or found.prompt_format,
        ),
    )


def move(catalog: Catalog, hub: Hub, expert: Expert) -> tuple[Expert, Inspection]:
    """Make the Hub's head the expert's current commit; the earlier one stays in the history.

    What was said by hand when it was added counts where the repository says nothing itself.

    Raises:
        UnusableModel, InputError, NotFoundOnHub, HubError: as `register`; the catalog stays as it was.
    """
    found = inspect(hub, expert.repo)
    return _add(
        catalog,
        replace(
            found,
            labels=found.labels or tuple(expert.labels),
            base=found.base or expert.base_repo,
            domain=found.domain or expert.domain,
            prompt_format=found.prompt_format or expert.prompt_format,
        ),
    )


def _add(catalog: Catalog, found: Inspection) -> tuple[Expert, Inspection]:
    """Add what was found, corrected by what was said by hand."""
    found.require_usable()
    about = found.metadata or {}
    base_repo = found.base or (found.repo if found.kind == "full" else None)
    if base_repo is None:
        raise InputError(f"{found.repo} does not name its base", "Name it with --base OWNER/NAME.")
    same = ("repo", "commit", "kind", "rank", "alpha", "license", "target_modules", "labels", "prompt_format", "domain")
    values = {name: getattr(found, name) for name in same} | {
        "base_repo": base_repo,
        "base_sha256": about.get("base_sha256"),
        "size_bytes": found.size,
        "details": {key: about[key] for key in DETAILS if key in about},
    }
    try:
        expert = ExpertCreate.model_validate(values)
    except ValidationError as error:
        raise UnusableModel(
            f"The metadata of {found.repo} can't be used: {first_fault(error)}",
            "Ask its owner to correct its sam_hub.json and adapter_config.json, or choose another model.",
        ) from error
    added = add_expert(catalog, expert)
    if found.descriptor is not None and (problem := _keep_descriptor(catalog, added, found.descriptor)):
        found = replace(found, warnings=(*found.warnings, problem))
    return added, found


def _keep_descriptor(catalog: Catalog, expert: Expert, content: Mapping[str, Any]) -> str | None:
    """Keep the descriptor that a repository carries; return why it is not kept."""
    try:
        row = read_descriptor(content)
    except ValueError as error:
        return f"its {DESCRIPTOR} can't be used: {error}"
    known = get_descriptor(catalog, row.embedder, row.revision, expert_id=expert.id)
    if known is not None and known.origin == CORPUS:
        return "it keeps the descriptor of the given corpus, not the one in its repository"
    row.expert_id = expert.id
    put_descriptor(catalog, row)
    return None


def pull_expert(catalog: Catalog, hub: Hub, name: str | int, models: Path, reporter: Reporter = SILENT) -> Expert:
    """Fetch an expert of the catalog at its commit, and its base if that is not there yet.

    Raises:
        UnusableModel: it was made from a base with other weights than the one of that name on the Hub.
    """
    expert = get_expert(catalog, name)
    plan = plan_pull(hub, expert.repo, expert.commit, models)
    if plan.because:
        reporter.log(f"{expert.repo} is served from disk: {plan.because}")
    if plan.partial:
        leftovers = f"{naturalsize(plan.partial)} of an earlier download that was cut off"
        reporter.log(f"{expert.repo} is downloaded again from the start; {leftovers} are removed")
    folder = pull(hub, plan, reporter)
    if expert.kind == "adapter":
        _pull_its_base(catalog, hub, expert, models, reporter)
    return place_expert(catalog, expert.id, folder, plan.size)


def _pull_its_base(catalog: Catalog, hub: Hub, expert: Expert, models: Path, reporter: Reporter) -> None:
    try:
        path = base_of(catalog, expert).path
    except InputError:  # it was never pulled
        path = None
    if path and Path(path).is_dir():
        return
    try:
        base = pull_base(catalog, hub, expert.base_repo, models, reporter)
    except NotFoundOnHub as error:
        raise NotFoundOnHub(
            f"{expert.base_repo}, the base of {expert.repo}, is not on {hub.endpoint}, or your token can't read it",
            "Push the base to this Hub, too, or add the expert again with `sam-hub add --base`.",
        ) from error
    if expert.base_sha256 and base.weights_sha256 != expert.base_sha256:
        raise UnusableModel(
            f"{expert.repo} was made from other weights than those of {expert.base_repo} "
            f"({expert.base_sha256[:12]}…, not {base.weights_sha256[:12]}…)",
            "Name its true base with `sam-hub add --base`, or remove it.",
        )


def pull_base(catalog: Catalog, hub: Hub, repo: str, models: Path, reporter: Reporter = SILENT) -> Base:
    """Fetch a base and add it to the catalog.

    Raises:
        UnusableModel: it is not a full model in safetensors, or its configuration can't be read.
    """
    found = inspect(hub, repo).require_usable()
    if found.kind != "full":
        raise UnusableModel(f"{repo} is an adapter, not a base", "Name the model it was made from.")
    folder = pull(hub, plan_pull(hub, repo, found.commit, models, found.snapshot), reporter)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        base = Base(
            repo=repo,
            commit=found.commit,
            weights_sha256=weights_sha256(folder),
            architecture=config["architectures"][0],
            hidden_size=config["hidden_size"],
            vocabulary_size=config["vocab_size"],
            parameter_count=parameter_count(folder),
            license=found.license,
            path=str(folder),
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UnusableModel(f"The configuration of {repo} can't be read: {error}", "Choose another base.") from error
    return add_base(catalog, base)


def outdated(
    catalog: Catalog, hub: Hub, experts: Sequence[Expert] = (), reporter: Reporter = SILENT
) -> list[tuple[Expert, str | None]]:
    """Return the experts whose ``main`` on the Hub is another commit, with that commit; None where it is gone.

    Args:
        experts: whom to ask about; all current ones where none are named.
    """
    heads: list[tuple[Expert, str | None]] = []
    experts = experts or list_experts(catalog)
    for number, expert in enumerate(experts):
        reporter.progress("ask the Hub", number, len(experts), "experts")
        try:
            heads.append((expert, head_of(hub, expert.repo)))
        except NotFoundOnHub:  # deleted, renamed, or private now
            heads.append((expert, None))
    reporter.progress("ask the Hub", len(experts), len(experts), "experts")
    return [(expert, head) for expert, head in heads if head != expert.commit]


def stale_selections(catalog: Catalog, moved: Collection[str] = ()) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield every target's latest selections of commits that are not current: target, method, those ``repo@commit``.

    Args:
        moved: repositories that count as if they had been moved already.
    """
    current = {expert.ref for expert in list_experts(catalog) if expert.repo not in moved}
    for target, selection in latest_selections(catalog):
        if old := tuple(ref for ref in selection.chosen if ref not in current):
            yield target.name, selection.method, old
