"""What was done: probes, selections, merges, evaluations and pushes, recorded and read back."""

from __future__ import annotations

from sqlalchemy import delete
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import Answer, Evaluation, Expert, Merge, Prediction, Probe, Push, Selection
from sam_hub.errors import CatalogError

METHODS = ("similarity", "sampling")  # of a selection; the order is that in which they are told


def record_probe(catalog: Catalog, probe: Probe) -> Probe:
    """Record an expert's score on a sample, in place of an earlier one by the same votes."""
    with catalog.writing() as session:
        key = ("target_id", "expert_id", "sample_key", "votes", "threshold")
        session.exec(
            delete(Probe).where(*(col(getattr(Probe, name)) == getattr(probe, name) for name in key))
        )
        session.add(probe)
        return probe


def list_probes(
    catalog: Catalog, target_id: int, sample_key: str, votes: str, threshold: float
) -> list[tuple[Expert, Probe]]:
    """Every expert's score on a sample, best first; ties by repo."""
    query = (
        select(Expert, Probe)
        .join(Probe)
        .where(Probe.target_id == target_id, Probe.sample_key == sample_key)
        .where(Probe.votes == votes, Probe.threshold == threshold)
        .order_by(col(Probe.f1).desc(), Expert.repo)
    )
    with catalog.session() as session:
        return [(expert, probe) for expert, probe in session.exec(query)]


def record_selections(catalog: Catalog, *selections: Selection) -> None:
    """Record rankings and what was chosen from each: all of them, or none."""
    with catalog.writing() as session:
        session.add_all(selections)


def latest_selection(catalog: Catalog, target_id: int, method: str) -> Selection | None:
    """The newest selection of a target by "similarity" or "sampling"."""
    query = select(Selection).where(Selection.target_id == target_id, Selection.method == method)
    with catalog.session() as session:
        return session.exec(query.order_by(col(Selection.id).desc())).first()


def record_merge(catalog: Catalog, merge: Merge) -> Merge:
    """Record a merged model. One made again from the same recipe keeps its id, and stays one to be used.

    Should its weights differ from the earlier ones', what those answered goes: no model gives it now.
    """
    with catalog.writing() as session:
        known = session.exec(select(Merge).where(Merge.recipe_hash == merge.recipe_hash)).first()
        if known is None:
            session.add(merge)
            return merge
        if known.weights_sha256 != merge.weights_sha256:
            for table in (Answer, Prediction):
                session.exec(delete(table).where(col(table.merge_id) == known.id))
        merge.aside = merge.aside and known.aside
        fields = ("path", "weights_sha256", "seconds", "inputs", "recipe", "aside")
        for field in (*fields, *(() if merge.aside else ("created_at",))):
            setattr(known, field, getattr(merge, field))
        return known


def find_merge(catalog: Catalog, recipe_hash: str) -> Merge | None:
    """The merge that was made by this recipe, if any."""
    with catalog.session() as session:
        return session.exec(select(Merge).where(Merge.recipe_hash == recipe_hash)).first()


def get_merge(catalog: Catalog, name: str | int) -> Merge:
    """A merge by its id, or by the first digits of its recipe's hash (7 or more).

    Raises:
        CatalogError: none or several fit.
    """
    with catalog.session() as session:
        query = select(Merge).where(col(Merge.recipe_hash).startswith(str(name), autoescape=True))
        by_hash = session.exec(query).all() if len(str(name)) >= 7 else []
        if len(by_hash) == 1:
            return by_hash[0]
        found = session.get(Merge, int(name)) if str(name).isdecimal() and not by_hash else None
    if found is None:
        problem = f"'{name}' could be several merges" if by_hash else f"No merge '{name}' in the catalog"
        raise CatalogError(problem, "`sam-hub list --merges` shows what is there.")
    return found


def list_merges(catalog: Catalog) -> list[Merge]:
    """All merges, newest first."""
    with catalog.session() as session:
        return list(session.exec(select(Merge).order_by(col(Merge.created_at).desc())))


def record_evaluation(catalog: Catalog, evaluation: Evaluation) -> Evaluation:
    """Record a system's strict scores. Earlier ones stay."""
    with catalog.writing() as session:
        session.add(evaluation)
        return evaluation


def list_evaluations(catalog: Catalog, target_id: int, test_sha256: str | None = None) -> list[Evaluation]:
    """The evaluations on a target, newest first; with ``test_sha256``, of exactly these test sentences."""
    query = select(Evaluation).where(Evaluation.target_id == target_id).order_by(col(Evaluation.id).desc())
    if test_sha256:
        query = query.where(Evaluation.test_sha256 == test_sha256)
    with catalog.session() as session:
        return list(session.exec(query))


def get_evaluation(catalog: Catalog, evaluation_id: int) -> Evaluation:
    """The evaluation of this number.

    Raises:
        CatalogError: there is none.
    """
    with catalog.session() as session:
        found = session.get(Evaluation, evaluation_id)
    if found is None:
        raise CatalogError(f"No evaluation {evaluation_id} in the catalog", "Run `sam-hub evaluate` again.")
    return found


def record_push(catalog: Catalog, push: Push) -> Push:
    """Record where a model was uploaded, and by which commit."""
    with catalog.writing() as session:
        session.add(push)
        return push


def list_pushes(catalog: Catalog) -> list[Push]:
    """All pushes, newest first."""
    with catalog.session() as session:
        return list(session.exec(select(Push).order_by(col(Push.id).desc())))
