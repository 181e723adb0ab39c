"""Rank the catalog's experts for a target, and keep what the rankings were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from sam_hub.catalog import tables
from sam_hub.catalog.descriptor_sources import Origin
from sam_hub.catalog.descriptors import descriptors_of, similarities_of
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of, list_bases, list_experts
from sam_hub.catalog.predictions import Predictions
from sam_hub.config import Settings
from sam_hub.errors import InputError, SamHubError
from sam_hub.inference.cached_predict import (
    DEFAULT_FORMAT,
    Model,
    apart,
    ask,
    base_model,
    expert_model,
)
from sam_hub.inference.embedding import Descriptor, cosine
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.base_check import compare_to_base
from sam_hub.selection.descriptors import expert_descriptor, target_descriptor
from sam_hub.selection.forward_selection import choose_by_evidence
from sam_hub.selection.ranking import (
    FAILED,
    DomainSimilarity,
    Ranked,
    Ranking,
    covered_labels,
    describe_failures,
    missing_labels,
)
from sam_hub.selection.sampling import USUAL, draw_sample, rank_by_sampling
from sam_hub.selection.similarity import domain_similarities, rank_by_similarity
from sam_hub.selection.votes import BY_SIMILARITY, VoteOptions, Votes, collect_votes

UNTUNED = " (untuned)"


def similarity_ranking(
    catalog: Catalog, target: tables.Target, experts: Sequence[tables.Expert], *, settings: Settings
) -> Ranking:
    """Rank by descriptors; an expert without one comes last, with a note.

    Raises:
        InputError: no expert has a descriptor.
        CatalogError: one has a descriptor by another embedder only.
    """
    centre = target_descriptor(catalog, target, settings)
    near = _nearness(catalog, target, centre, experts, settings)
    ranking = rank_by_similarity(centre, near, target.labels, {e.repo: e.labels for e in experts})
    return ranking.explained(_bases(catalog, experts), _domains(experts), near)


def _nearness(
    catalog: Catalog,
    target: tables.Target,
    centre: Descriptor,
    experts: Sequence[tables.Expert],
    settings: Settings,
) -> dict[str, DomainSimilarity]:
    """Return how near the experts lie that have a descriptor; cosines that the catalog keeps are not computed again.

    Raises:
        CatalogError: an expert has one by another embedder only, which can't be compared.
    """
    cosines, origins, ours = {}, {}, (centre.embedder, centre.revision)
    kept = similarities_of(catalog, target.id or 0, *ours)
    for expert in experts:
        if described := descriptors_of(catalog, expert.id):
            descriptor = expert_descriptor(catalog, expert, settings)
            cosines[expert.repo] = kept[expert.id] if expert.id in kept else cosine(centre, descriptor)
            row = next(row for row in described if (row.embedder, row.revision) == ours)
            origins[expert.repo] = Origin.parse(row.origin).kind
    return domain_similarities(cosines, origins)


def _nearness_if_any(
    catalog: Catalog,
    target: tables.Target,
    experts: Sequence[tables.Expert],
    settings: Settings,
    needed: bool,
) -> dict[str, DomainSimilarity]:
    """The same for a ranking by votes, which can do without: then nothing that can't be compared stops it."""
    if not any(descriptors_of(catalog, expert.id) for expert in experts):
        return {}  # the target's corpus need not be described
    try:
        centre = target_descriptor(catalog, target, settings)
        return _nearness(catalog, target, centre, experts, settings)
    except SamHubError:
        if needed:
            raise
        return {}


def _bases(catalog: Catalog, experts: Sequence[tables.Expert]) -> dict[str, str]:
    """Return what each expert was tuned from: ``repo@`` and the first digits of its weights' hash."""
    bases = {base.id: base for base in list_bases(catalog)}
    names = {}
    for expert in experts:
        base = bases.get(expert.base_id or 0)
        repo, sha = (base.repo, base.weights_sha256) if base else (expert.base_repo, expert.base_sha256)
        names[expert.repo] = f"{repo}@{sha[:12]}" if sha else repo
    return names


def _domains(experts: Sequence[tables.Expert]) -> dict[str, str]:
    return {expert.repo: expert.domain or "" for expert in experts}


def sampling_ranking(
    catalog: Catalog,
    target: tables.Target,
    experts: Sequence[tables.Expert],
    *,
    settings: Settings,
    size: int = USUAL,
    voting: VoteOptions | None = None,
    free: bool = False,
    by_evidence: bool = False,
    reporter: Reporter = SILENT,
) -> Ranking:
    """Let every expert predict on a sample of the target, and rank by votes.

    The untuned base is asked, too, and does not vote (see `sam_hub.selection.base_check`; parameter "fit"). Adding an
    expert later costs its own pass alone: the others' predictions are kept. An expert that can't be loaded or asked
    stands at the end with the reason, unfit and without a vote (parameter "failed": who, and why).

    Args:
        by_evidence: also find how many experts to choose (`sam_hub.selection.forward_selection`; parameter "evidence").

    Raises:
        InputError: fewer than two experts have a vote, or none could be asked.
    """
    voting = voting or VoteOptions()
    near = _nearness_if_any(catalog, target, experts, settings, voting.weights == BY_SIMILARITY)
    sample = draw_sample(read_corpus(Path(target.corpus_path)), size, voting.seed)
    bases = _bases(catalog, experts)
    untuned = _untuned(catalog, [e for e in experts if covered_labels(target.labels, e.labels)], bases)
    models: list[Model] = []
    failed: dict[str, SamHubError] = {}
    for expert in experts:
        with apart(partial(failed.setdefault, expert.repo)):
            models.append(expert_model(catalog, expert))
    answers = ask(
        catalog,
        [*models, *untuned.values()],
        sample,
        target.labels,
        settings=settings,
        target_id=target.id,
        free=free,
        reporter=reporter,
        on_failure=failed.setdefault,
    )
    asked = [expert for expert in experts if expert.repo not in failed]
    votes = _hold_without(failed, target, asked, sample, answers, voting, near)
    ranking = rank_by_sampling(votes)
    ranking = replace(ranking, rows=(*ranking.rows, *_failed_rows(target, experts, failed)))
    ranking = ranking.explained(bases, _domains(experts), near)
    fit = ranking.fit()
    base = untuned.get(bases[fit[0]]) if fit else None
    untuned_answer = answers[base.name].entities if base else None
    found: dict[str, Any] = {
        "free": free,
        "fit": compare_to_base(votes, ranking, _plain_name(base), untuned_answer),
    }
    if failed:
        found["failed"] = {name: str(why) for name, why in failed.items()}
    if by_evidence and fit:
        found["evidence"] = choose_by_evidence(votes, fit).as_dict()
    return replace(ranking, parameters={**ranking.parameters, **found})


def _failed_rows(
    target: tables.Target, experts: Sequence[tables.Expert], failed: Mapping[str, SamHubError]
) -> list[Ranked]:
    rows = []
    for expert in sorted((e for e in experts if e.repo in failed), key=lambda e: e.repo):
        why, covers = f"{FAILED}: {failed[expert.repo].title}", covered_labels(target.labels, expert.labels)
        missing = missing_labels(target.labels, covers)
        rows.append(Ranked(expert.repo, None, None, None, covers, why, missing=missing, unfit=why))
    return rows


def _hold_without(failed: Mapping[str, SamHubError], *poll: Any) -> Votes:
    """The poll of those who could be asked.

    Raises:
        InputError: they are too few; it names those who could not, and why.
    """
    _, asked, *_ = poll
    if failed and not asked:
        raise InputError(
            f"None of the {len(failed)} experts could be asked: {describe_failures(failed)}",
            next(iter(failed.values())).action,
        )
    try:
        return _hold(*poll)
    except InputError as error:
        if not failed:
            raise
        raise InputError(f"{error.title}; {describe_failures(failed)}", error.action) from error


def _hold(
    target: tables.Target,
    experts: Sequence[tables.Expert],
    sample: Sequence[Sentence],
    answers: Mapping[str, Predictions],
    voting: VoteOptions,
    near: Mapping[str, DomainSimilarity],
) -> Votes:
    return collect_votes(
        sample,
        {e.repo: answers[e.repo].entities for e in experts},
        target.labels,
        {e.repo: e.labels for e in experts},
        voting,
        {e.repo: answers[e.repo].parse_failures for e in experts},
        {name: place.cosine for name, place in near.items()},
    )


def repeat_votes(
    catalog: Catalog,
    target: tables.Target,
    selection: tables.Selection,
    *,
    settings: Settings,
    reporter: Reporter = SILENT,
) -> Votes:
    """The poll behind a ranking by sampling, of its experts that could be asked and are still in the catalog.

    Their answers are kept, so that nobody is asked again unless something was changed since.
    """
    there = {expert.repo: expert for expert in list_experts(catalog)}
    failed = selection.parameters.get("failed", {})
    experts = [
        there[row["expert"]]
        for row in selection.ranking
        if row["expert"] in there and row["expert"] not in failed
    ]
    voting = VoteOptions(**{part.name: selection.parameters[part.name] for part in fields(VoteOptions)})
    near = _nearness_if_any(catalog, target, experts, settings, voting.weights == BY_SIMILARITY)
    sample = draw_sample(
        read_corpus(Path(target.corpus_path)), selection.parameters["sentences"], voting.seed
    )
    answers = ask(
        catalog,
        [expert_model(catalog, expert) for expert in experts],
        sample,
        target.labels,
        settings=settings,
        target_id=target.id,
        free=selection.parameters.get("free", False),
        reporter=reporter,
    )
    return _hold(target, experts, sample, answers, voting, near)


def _untuned(
    catalog: Catalog, experts: Sequence[tables.Expert], bases: Mapping[str, str]
) -> dict[str, Model]:
    """The bases of these experts that are on disk, by what `_bases` calls them, as models that can be asked."""
    found = {}
    for expert in experts:
        if bases[expert.repo] not in found:
            try:
                model = base_model(base_of(catalog, expert), expert.prompt_format or DEFAULT_FORMAT)
            except InputError:
                continue  # full models are asked without their base
            # Its name is told apart from an expert's: a repository can be listed as both.
            found[bases[expert.repo]] = replace(model, name=f"{model.name}{UNTUNED}")
    return found


def _plain_name(base: Model | None) -> str:
    return base.name.removesuffix(UNTUNED) if base else ""
