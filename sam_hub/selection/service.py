"""Rank the catalog's experts for a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
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
from sam_hub.inference.cached_predict import DEFAULT_FORMAT, Model, apart, ask, base_model, expert_model
from sam_hub.inference.embedding import cosine
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.base_check import compare_to_base
from sam_hub.selection.descriptors import expert_descriptor, target_descriptor
from sam_hub.selection.forward_selection import choose_by_evidence
from sam_hub.selection.label_matching import Coverage, cover
from sam_hub.selection.ranking import FAILED, DomainSimilarity, Ranked, Ranking, missing_labels, uninformed_row
from sam_hub.selection.sampling import USUAL, draw_sample, rank_by_sampling
from sam_hub.selection.similarity import domain_similarities, rank_by_similarity
from sam_hub.selection.votes import BY_SIMILARITY, VoteOptions, Votes, check_covered, collect_votes

UNTUNED = " (untuned)"


def similarity_ranking(
    catalog: Catalog,
    target: tables.Target,
    experts: Sequence[tables.Expert],
    *,
    settings: Settings,
    coverage: Coverage | None = None,
) -> Ranking:
    """Rank experts by their descriptors; those without one come last, with a note.

    Args:
        coverage: the labels that they cover; by default, labels are matched by name.

    Raises:
        InputError: no expert has a descriptor.
        CatalogError: an expert's only descriptor is by another embedder.
    """
    coverage = coverage or cover(target.labels, experts)
    near = _similarities(catalog, target, experts, settings)
    descriptor = target_descriptor(catalog, target, settings)
    ranking = rank_by_similarity(descriptor, near, target.labels, coverage.covered())
    return ranking.explained(_bases(catalog, experts), _domains(experts), near, coverage.soft())


def _similarities(
    catalog: Catalog, target: tables.Target, experts: Sequence[tables.Expert], settings: Settings
) -> dict[str, DomainSimilarity]:
    """Return the similarity of the experts that have a descriptor; stored cosines are not computed again.

    Raises:
        CatalogError: an expert's only descriptor is by another embedder, and can't be compared.
    """
    centre = target_descriptor(catalog, target, settings)
    ours = (centre.embedder, centre.revision)
    cosines, origins, kept = {}, {}, similarities_of(catalog, target.id or 0, *ours)
    for expert in experts:
        if rows := descriptors_of(catalog, expert.id):
            descriptor = expert_descriptor(catalog, expert, settings)
            cosines[expert.repo] = kept[expert.id] if expert.id in kept else cosine(centre, descriptor)
            row = next(row for row in rows if (row.embedder, row.revision) == ours)
            origins[expert.repo] = Origin.parse(row.origin).kind
    return domain_similarities(cosines, origins)


def _similarities_if_any(
    catalog: Catalog, target: tables.Target, experts: Sequence[tables.Expert], settings: Settings, voting: VoteOptions
) -> dict[str, DomainSimilarity]:
    """Return the similarities for a ranking by votes; if the votes don't need them, errors give an empty result."""
    if not any(descriptors_of(catalog, expert.id) for expert in experts):
        return {}  # the target's corpus need not be described
    try:
        return _similarities(catalog, target, experts, settings)
    except SamHubError:
        if voting.weights == BY_SIMILARITY:
            raise
        return {}


def _bases(catalog: Catalog, experts: Sequence[tables.Expert]) -> dict[str, str]:
    """Return the base of each expert as ``repo@`` and the first digits of its weights' hash."""
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
    allow_uninformed: bool = False,
    coverage: Coverage | None = None,
    reporter: Reporter = SILENT,
) -> Ranking:
    """Let every expert that covers a label predict on a sample of the target, and rank them by votes.

    An expert that covers none has no vote and is not chosen, so it is not asked. The untuned base predicts, too, but
    does not vote (see `sam_hub.selection.base_check`; parameter "fit"). Predictions are cached, so adding an expert
    later only takes its own. Experts that can't be loaded or run come last, without a vote and with the reason
    (parameter "failed").

    Args:
        by_evidence: also find how many experts to choose (`sam_hub.selection.forward_selection`; parameter "evidence").
        allow_uninformed: also ask experts that cover no label.
        coverage: the labels that the experts cover; by default, labels are matched by name.

    Raises:
        TooFewVoters: fewer than two experts have a vote.
        InputError: none could be run.
    """
    voting, coverage = voting or VoteOptions(), coverage or cover(target.labels, experts)
    covered = coverage.covered()
    check_covered(target.labels, covered)
    near = _similarities_if_any(catalog, target, experts, settings, voting)
    sample = draw_sample(read_corpus(Path(target.corpus_path)), size, voting.seed)
    bases = _bases(catalog, experts)
    untuned = _untuned(catalog, [e for e in experts if covered[e.repo]], bases)
    models: list[Model] = []
    failed: dict[str, SamHubError] = {}
    informed = [expert for expert in experts if allow_uninformed or covered[expert.repo]]
    for expert in informed:
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
    asked = [expert for expert in informed if expert.repo not in failed]
    votes = _collect_votes(target, asked, covered, sample, answers, voting, near, failed)
    ranking = rank_by_sampling(votes)
    rows = [*ranking.rows, *_failed_rows(target, experts, covered, failed)]
    rows += [uninformed_row(expert.repo, target.labels) for expert in experts if expert not in informed]
    ranking = replace(ranking, rows=tuple(rows))
    ranking = ranking.explained(bases, _domains(experts), near, coverage.soft())
    fit = ranking.fit()
    base = untuned.get(bases[fit[0]]) if fit else None
    name, entities = (base.name.removesuffix(UNTUNED), answers[base.name].entities) if base else ("", None)
    parameters: dict[str, Any] = {"free": free, "fit": compare_to_base(votes, ranking, name, entities)}
    if failed:
        parameters["failed"] = {name: str(why) for name, why in failed.items()}
    if by_evidence and fit:
        parameters["evidence"] = asdict(choose_by_evidence(votes, fit))
    return replace(ranking, parameters={**ranking.parameters, **parameters})


def _failed_rows(
    target: tables.Target,
    experts: Sequence[tables.Expert],
    covered: Mapping[str, tuple[str, ...]],
    failed: Mapping[str, SamHubError],
) -> list[Ranked]:
    rows = []
    for expert in sorted((e for e in experts if e.repo in failed), key=lambda e: e.repo):
        why, covers = f"{FAILED}: {failed[expert.repo].title}", covered[expert.repo]
        missing = missing_labels(target.labels, covers)
        rows.append(Ranked(expert.repo, None, None, None, covers, why, missing=missing, unfit=why))
    return rows


def _collect_votes(
    target: tables.Target,
    experts: Sequence[tables.Expert],
    covered: Mapping[str, tuple[str, ...]],
    sample: Sequence[Sentence],
    answers: Mapping[str, Predictions],
    voting: VoteOptions,
    near: Mapping[str, DomainSimilarity],
    failed: Mapping[str, SamHubError],
) -> Votes:
    """Return the votes of the experts that could be run.

    Raises:
        InputError: there are too few of them; the message names the others and the reasons, five at most.
    """
    reasons = [f"{name} {FAILED}: {error.title}" for name, error in list(failed.items())[:5]]
    reasons += [f"and {len(failed) - 5} more"] if len(failed) > 5 else []
    if failed and not experts:
        title = f"All {len(failed)} experts failed to predict: {'; '.join(reasons)}"
        raise InputError(title, next(iter(failed.values())).action)
    try:
        return collect_votes(
            sample,
            {e.repo: answers[e.repo].entities for e in experts},
            target.labels,
            covered,
            voting,
            {e.repo: answers[e.repo].parse_failures for e in experts},
            {name: place.cosine for name, place in near.items()},
        )
    except InputError as error:
        raise type(error)("; ".join([error.title, *reasons]), error.action) from error


def repeat_votes(
    catalog: Catalog,
    target: tables.Target,
    selection: tables.Selection,
    *,
    settings: Settings,
    reporter: Reporter = SILENT,
) -> Votes:
    """Return the votes of a ranking by sampling, of its experts that could be run and are still in the catalog.

    Their predictions are cached, so no expert runs again unless something has changed.
    """
    by_repo = {expert.repo: expert for expert in list_experts(catalog)}
    repos = [row["expert"] for row in selection.ranking if row["score"] is not None]  # the others did not predict
    experts = [by_repo[repo] for repo in repos if repo in by_repo]
    voting = VoteOptions(**{part.name: selection.parameters[part.name] for part in fields(VoteOptions)})
    near = _similarities_if_any(catalog, target, experts, settings, voting)
    sample = draw_sample(read_corpus(Path(target.corpus_path)), selection.parameters["sentences"], voting.seed)
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
    covered = {row["expert"]: tuple(row["covers"]) for row in selection.ranking}
    return _collect_votes(target, experts, covered, sample, answers, voting, near, {})


def _untuned(catalog: Catalog, experts: Sequence[tables.Expert], bases: Mapping[str, str]) -> dict[str, Model]:
    """Return the bases of these experts that are on disk, by their names in `_bases`."""
    untuned: dict[str, Model] = {}
    for expert in experts:
        if bases[expert.repo] not in untuned:
            try:
                model = base_model(base_of(catalog, expert), expert.prompt_format or DEFAULT_FORMAT)
            except InputError:
                continue  # full models run without their base
            # Its name must differ from an expert's, since a repository can be listed as both.
            untuned[bases[expert.repo]] = replace(model, name=f"{model.name}{UNTUNED}")
    return untuned
