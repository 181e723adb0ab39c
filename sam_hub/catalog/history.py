"""What was done: selections, merges, evaluations and pushes, recorded and read back."""

from __future__ import annotations

from sqlalchemy import delete
from sqlmodel import Session, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import (
    Evaluation,
    Expert,
    Merge,
    PredictionRun,
    Push,
    RankingMethod,
    SamplingScore,
    Selection,
    SelectionMerge,
    SentencePrediction,
)
from sam_hub.errors import CatalogError


def record_selections(catalog: Catalog, *selections: Selection) -> None:
    """Record rankings and what was chosen from each: all of them, or none.

    The scores of a ranking by sampling are kept as rows of their own, too. A merge of the same experts that was made
    for an earlier selection serves the new one as well.
    """
    with catalog.writing() as session:
        for selection in selections:
            merged = _merges_of(session, selection.chosen)
            session.add(selection)
            session.flush()
            assert selection.id is not None
            for merge_id in merged:
                session.add(SelectionMerge(selection_id=selection.id, merge_id=merge_id))
                session.flush()  # ids tell the order
            if selection.method == RankingMethod.SAMPLING:
                session.add_all(_scores_of(session, selection))


def _merges_of(session: Session, chosen: list[str]) -> list[int]:
    """The merges that serve earlier selections of these experts, the last made at the end."""
    linked = session.exec(
        select(SelectionMerge.merge_id, Selection.chosen).join(Selection).order_by(col(SelectionMerge.id))
    ).all()
    merges = [merge_id for merge_id, refs in linked if set(refs) == set(chosen)]
    return list(dict.fromkeys(reversed(merges)))[::-1]


def _scores_of(session: Session, selection: Selection) -> list[SamplingScore]:
    scored = {row["expert"]: row for row in selection.ranking if row["score"] is not None}
    current = session.exec(
        select(Expert.repo, Expert.id).where(col(Expert.current), col(Expert.repo).in_(scored))
    ).all()
    return [
        SamplingScore(
            selection_id=selection.id,
            expert_id=expert_id,
            precision=scored[repo].get("precision", 0.0),
            recall=scored[repo].get("recall", 0.0),
            f1=scored[repo]["score"],
            low=scored[repo]["low"],
            high=scored[repo]["high"],
        )
        for repo, expert_id in current
    ]


def latest_selection(catalog: Catalog, target_id: int, method: str) -> Selection | None:
    """Return the newest selection of a target by a `RankingMethod`."""
    query = select(Selection).where(Selection.target_id == target_id, Selection.method == method)
    with catalog.session() as session:
        return session.exec(query.order_by(col(Selection.id).desc())).first()


def record_merge(catalog: Catalog, merge: Merge, selection_id: int | None = None) -> Merge:
    """Record a merged model. One made again from the same recipe keeps its id.

    If its weights differ from the earlier ones, what those predicted goes: no model gives it now.

    Args:
        selection_id: the selection for which it was made; None for one made to compare, or of experts named by hand.
    """
    with catalog.writing() as session:
        known = session.exec(select(Merge).where(Merge.recipe_hash == merge.recipe_hash)).first()
        if known is None:
            session.add(merge)
            session.flush()
            known = merge
        elif known.weights_sha256 != merge.weights_sha256:
            for table in (SentencePrediction, PredictionRun):
                session.exec(delete(table).where(col(table.merge_id) == known.id))
        for field in ("path", "weights_sha256", "seconds", "recipe", "created_at"):
            setattr(known, field, getattr(merge, field))
        selection = session.get(Selection, selection_id) if selection_id is not None else None
        if selection and set(selection.chosen) == known.refs:  # another choice may have been made meanwhile
            _link(session, selection, known)
        return known


def _link(session: Session, selection: Selection, merge: Merge) -> None:
    """Let a merge serve a selection, and those of the same target and experts that have no merge yet."""
    session.exec(
        delete(SelectionMerge).where(
            col(SelectionMerge.selection_id) == selection.id, col(SelectionMerge.merge_id) == merge.id
        )
    )
    others = session.exec(
        select(Selection).where(
            Selection.target_id == selection.target_id, col(Selection.id).not_in(select(SelectionMerge.selection_id))
        )
    ).all()
    for other in {selection.id: selection, **{other.id: other for other in others}}.values():
        if set(other.chosen) == merge.refs:
            session.add(SelectionMerge(selection_id=other.id, merge_id=merge.id))


def merges_of_selection(catalog: Catalog, selection_id: int) -> list[Merge]:
    """Return the merges that were made for a selection, the last made first."""
    query = select(Merge).join(SelectionMerge).where(SelectionMerge.selection_id == selection_id)
    with catalog.session() as session:
        return list(session.exec(query.order_by(col(SelectionMerge.id).desc())))


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
    """Return all pushes, newest first."""
    with catalog.session() as session:
        return list(session.exec(select(Push).order_by(col(Push.id).desc())))
