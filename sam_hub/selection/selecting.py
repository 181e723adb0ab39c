"""Select experts for a target of the catalog, and keep rankings and what they were made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sam_hub import catalog as records
from sam_hub.catalog import Catalog
from sam_hub.errors import InputError
from sam_hub.inference.asking import ask, expert_model, sample_key
from sam_hub.ner.readers import read_corpus
from sam_hub.selection.descriptors import expert_descriptor, target_descriptor
from sam_hub.selection.ranking import Ranking
from sam_hub.selection.sampling import Voting, draw_sample, rank_by_sampling
from sam_hub.selection.similarity import rank_by_similarity
from sam_hub.settings import Settings


def similarity_ranking(
    catalog: Catalog, target: records.Target, experts: Sequence[records.Expert], *, settings: Settings
) -> Ranking:
    """Rank by descriptors."""
    centre = target_descriptor(catalog, target, settings)
    vectors = {expert.repo: expert_descriptor(catalog, expert, settings) for expert in experts}
    return rank_by_similarity(centre, vectors, target.labels, {e.repo: e.labels for e in experts})


def sampling_ranking(
    catalog: Catalog,
    target: records.Target,
    experts: Sequence[records.Expert],
    *,
    settings: Settings,
    size: int = 40,
    voting: Voting | None = None,
    free: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Ranking:
    """Let every expert predict on a sample of the target, and rank by votes.

    Adding an expert later costs its own pass alone: the others' predictions are kept.
    """
    voting = voting or Voting()
    sample = draw_sample(read_corpus(Path(target.corpus_path)), size, voting.seed)
    models = [expert_model(catalog, expert) for expert in experts]
    answers = ask(
        catalog,
        models,
        sample,
        target.labels,
        settings=settings,
        target_id=target.id,
        free=free,
        on_progress=on_progress,
    )
    ranking = rank_by_sampling(
        {name: records.entities_of(answer) for name, answer in answers.items()},
        target.labels,
        {e.repo: e.labels for e in experts},
        voting,
        {name: answer.parse_failures for name, answer in answers.items()},
    )
    _record_probes(catalog, target, experts, ranking, sample_key(sample, target.labels), voting)
    return ranking


def _record_probes(
    catalog: Catalog,
    target: records.Target,
    experts: Sequence[records.Expert],
    ranking: Ranking,
    key: str,
    voting: Voting,
) -> None:
    ids = {expert.repo: expert.id for expert in experts}
    for row in ranking.rows:
        probe = records.Probe(
            expert_id=ids[row.expert],
            target_id=target.id,
            sample_key=key,
            votes=voting.votes,
            threshold=voting.threshold,
            precision=row.precision,
            recall=row.recall,
            f1=row.score,
            low=row.low,
            high=row.high,
            pseudo_entities=ranking.parameters["pseudo_entities"][row.expert],
        )
        records.record_probe(catalog, probe)


def choose_best(
    catalog: Catalog,
    target: records.Target,
    experts: Sequence[records.Expert],
    rankings: Sequence[Ranking],
    k: int,
    *,
    allow_blind: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Choose the best k of each ranking, and record all of it at once; the chosen repos by the ranking's method."""
    refs = {expert.repo: expert.ref for expert in experts}
    chosen, selections = {}, []
    for ranking in rankings:
        chosen[ranking.method] = ranking.top(k, allow_blind=allow_blind)
        plain = ranking.as_dict()
        selections.append(
            records.Selection(
                target_id=target.id,
                method=ranking.method,
                k=k,
                parameters=plain["parameters"],
                ranking=plain["rows"],
                chosen=[refs[name] for name in chosen[ranking.method]],
            )
        )
    records.record_selections(catalog, *selections)
    return chosen


def candidates(catalog: Catalog) -> list[records.Expert]:
    """The catalog's experts that are on disk.

    Raises:
        InputError: there is none.
    """
    there = [e for e in records.list_experts(catalog) if e.path and Path(e.path).is_dir()]
    if not there:
        raise InputError(
            "No expert of the catalog is on disk", "Find, add and pull some: `sam-hub search`, `add`, `pull`."
        )
    return there
