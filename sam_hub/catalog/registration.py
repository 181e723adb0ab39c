"""Bring models from a Hub into the catalog and onto the disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from humanize import naturalsize
from pydantic import ValidationError

from sam_hub.catalog.descriptor_sources import CORPUS
from sam_hub.catalog.descriptors import get_descriptor, put_descriptor, read_descriptor
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import add_base, add_expert, base_of, get_expert, place_expert
from sam_hub.catalog.tables import Base, Expert, ExpertCreate
from sam_hub.errors import InputError, UnusableModel
from sam_hub.hub.client import Hub
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.inspection import DESCRIPTOR, Inspection, inspect
from sam_hub.hub.weights import parameter_count, weights_sha256
from sam_hub.progress import SILENT, Reporter


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
    found = inspect(hub, repo, revision).require_usable()
    about = found.metadata or {}
    base_repo = base or found.base or (repo if found.kind == "full" else None)
    if base_repo is None:
        raise InputError(f"{repo} does not say which base it was made from", "Name it with --base OWNER/NAME.")
    values = {
        "repo": found.repo,
        "commit": found.commit,
        "kind": found.kind,
        "base_repo": base_repo,
        "base_sha256": about.get("base_sha256"),
        "rank": found.rank,
        "alpha": found.alpha,
        "target_modules": list(found.target_modules),
        "license": found.license,
        "labels": list(labels or found.labels),
        "prompt_format": prompt_format or found.prompt_format,
        "domain": domain or found.domain,
        "size_bytes": found.size,
        "details": {key: about[key] for key in ("recipe", "data", "scores") if key in about},
    }
    try:
        expert = ExpertCreate.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UnusableModel(
            f"What {repo} says of itself can't be used: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            "Ask its owner to correct its sam_hub.json and adapter_config.json, or choose another model.",
        ) from error
    added = add_expert(catalog, expert)
    if found.descriptor is not None and (problem := _keep_descriptor(catalog, added, found.descriptor)):
        found = replace(found, warnings=(*found.warnings, problem))
    return added, found


def _keep_descriptor(catalog: Catalog, expert: Expert, said: Mapping[str, Any]) -> str | None:
    """Keep the descriptor that a repository carries; returns why it is not kept."""
    try:
        row = read_descriptor(said)
    except ValueError as error:
        return f"its {DESCRIPTOR} can't be used: {error}"
    known = get_descriptor(catalog, row.embedder, row.revision, expert_id=expert.id)
    if known is not None and known.origin == CORPUS:
        return f"it stays described by the corpus given by hand, not by its {DESCRIPTOR}"
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
        reporter.log(f"{expert.repo} is fetched from its beginning; {leftovers} are removed")
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
    base = pull_base(catalog, hub, expert.base_repo, models, reporter=reporter)
    if expert.base_sha256 and base.weights_sha256 != expert.base_sha256:
        raise UnusableModel(
            f"{expert.repo} was made from other weights than those of {expert.base_repo} "
            f"({expert.base_sha256[:12]}…, not {base.weights_sha256[:12]}…)",
            "Name its true base with `sam-hub add --base`, or remove it.",
        )


def pull_base(
    catalog: Catalog, hub: Hub, repo: str, models: Path, revision: str = "main", reporter: Reporter = SILENT
) -> Base:
    """Fetch a base and add it to the catalog.

    Raises:
        UnusableModel: it is not a full model in safetensors.
    """
    found = inspect(hub, repo, revision).require_usable()
    if found.kind != "full":
        raise UnusableModel(f"{repo} is an adapter, not a base", "Name the model it was made from.")
    folder = pull(hub, plan_pull(hub, repo, found.commit, models, found.snapshot), reporter)
    return add_base(catalog, describe_base(folder, repo, found.commit, found.license))


def describe_base(folder: Path, repo: str, commit: str, license: str | None) -> Base:
    """What the catalog keeps of a base that lies in a folder.

    Raises:
        UnusableModel: its configuration can't be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return Base(
            repo=repo,
            commit=commit,
            weights_sha256=weights_sha256(folder),
            architecture=config["architectures"][0],
            hidden_size=config["hidden_size"],
            vocabulary_size=config["vocab_size"],
            parameter_count=parameter_count(folder),
            license=license,
            path=str(folder),
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UnusableModel(f"The configuration of {repo} can't be read: {error}", "Choose another base.") from error


def resolve_experts(catalog: Catalog, names: Sequence[str]) -> list[Expert]:
    """The experts of these names (or ids), in their order, each once.

    Raises:
        CatalogError: one is not in the catalog, or could be several.
    """
    return list({expert.repo: expert for expert in (get_expert(catalog, name) for name in names)}.values())
