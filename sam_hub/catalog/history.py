"""What was done: selections, merges, evaluations and pushes, recorded and read back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.tables import (
    AnswerRule,
    Evaluation,
    Expert,
    Merge,
    MergeValidation,
    PredictionRun,
    Push,
    RankingMethod,
    SamplingScore,
    Selection,
    SelectionMerge,
    SentencePrediction,
    Target,
)
from sam_hub.errors import CatalogError


def record_selections(catalog: Catalog, *selections: Selection) -> None:
    """Record rankings and what was chosen from each: all of them, or none.

    The scores of a ranking by sampling are kept as rows of their own, too. A merge of the same experts that was made
    for an earlier selection serves the new one as well; what votes said of it holds for the same target.
    """
    with catalog.writing() as session:
        for selection in selections:
            merges = _merges_of(session, selection.chosen)
            session.add(selection)
            session.flush()
            for merge_id in merges:
                _link(session, selection, merge_id)
            session.add_all(_validations(session, selection, merges))
            if selection.method == RankingMethod.SAMPLING:
                session.add_all(_sampling_scores(session, selection))


def _merges_of(session: Session, chosen: Sequence[str]) -> list[int]:
    """The merges that serve earlier selections of these experts, the last made at the end."""
    links = session.exec(
        select(SelectionMerge.merge_id, Selection.chosen).join(Selection).order_by(col(SelectionMerge.id).desc())
    )
    return list(dict.fromkeys(merge_id for merge_id, refs in links if set(refs) == set(chosen)))[::-1]


def _validations(session: Session, selection: Selection, merges: Sequence[int]) -> list[MergeValidation]:
    """The latest validation of each of these merges for the target of a new selection, copied to it."""
    rows = session.exec(
        select(MergeValidation)
        .join(Selection)
        .where(Selection.target_id == selection.target_id, col(MergeValidation.merge_id).in_(merges))
        .order_by(col(MergeValidation.selection_id))
    )
    latest = {row.merge_id: row for row in rows}
    return [
        MergeValidation(**row.model_dump(exclude={"selection_id"}), selection_id=selection.id)
        for row in latest.values()
    ]


def _link(session: Session, selection: Selection, merge_id: int) -> None:
    session.add(SelectionMerge(selection_id=selection.id, merge_id=merge_id))
    session.flush()  # ids tell the order


def _sampling_scores(session: Session, selection: Selection) -> list[SamplingScore]:
    scored = {row["expert"]: row for row in selection.ranking if row["score"] is not None}
    current = session.exec(select(Expert.repo, Expert.id).where(col(Expert.current), col(Expert.repo).in_(scored)))
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
    return catalog.first(query.order_by(col(Selection.id).desc()))


def latest_selections(catalog: Catalog) -> list[tuple[Target, Selection]]:
    """Return every target with its newest selection by each `RankingMethod`, in the order of their names."""
    newest = select(func.max(Selection.id)).group_by(col(Selection.target_id), col(Selection.method))
    query = select(Target, Selection).join(Selection).where(col(Selection.id).in_(newest))
    return catalog.all(query.order_by(col(Target.name), col(Selection.method).desc()))


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
            for table in (SentencePrediction, PredictionRun, MergeValidation):
                session.exec(delete(table).where(col(table.merge_id) == known.id))
            for column in (AnswerRule.first_merge_id, AnswerRule.second_merge_id):
                session.exec(delete(AnswerRule).where(col(column) == known.id))
        known.sqlmodel_update(merge.model_dump(exclude={"id"}))
        selection = session.get(Selection, selection_id) if selection_id is not None else None
        # Another target's selection may have its number now: then the experts are others.
        experts = {*selection.chosen, *(row["expert"] for row in selection.ranking)} if selection else set()
        if selection and all(experts & {item["repo"], f"{item['repo']}@{item['commit']}"} for item in known.inputs):
            _serve(session, selection, known)
        return known


def _serve(session: Session, selection: Selection, merge: Merge) -> None:
    """Let a merge serve a selection, and those of the same target and experts that have no merge yet."""
    earlier = (col(SelectionMerge.selection_id) == selection.id, col(SelectionMerge.merge_id) == merge.id)
    session.exec(delete(SelectionMerge).where(*earlier))
    unserved = col(Selection.id).not_in(select(SelectionMerge.selection_id))
    others = session.exec(select(Selection).where(Selection.target_id == selection.target_id, unserved)).all()
    _link(session, selection, merge.id)
    for other in others:
        if other.id != selection.id and set(other.chosen) == merge.refs:
            _link(session, other, merge.id)


def record_validation(catalog: Catalog, validation: MergeValidation) -> None:
    """Record what votes said of a merge, instead of what they said before."""
    with catalog.writing() as session:
        session.merge(validation)


def validations_of(catalog: Catalog, selection_id: int) -> dict[int, MergeValidation]:
    """Return what votes said of the merges of a selection, by the merge's id."""
    rows = catalog.all(select(MergeValidation).where(MergeValidation.selection_id == selection_id))
    return {row.merge_id: row for row in rows}


def record_answer_rule(catalog: Catalog, rule: AnswerRule) -> None:
    """Record how two merges answer together for a target, instead of what was recorded before."""
    with catalog.writing() as session:
        session.merge(rule)


def get_answer_rule(catalog: Catalog, target_id: int, first: int, second: int) -> AnswerRule | None:
    """Return how two merges, by their ids, answer together for a target; None if votes have not decided it."""
    query = select(AnswerRule).where(
        AnswerRule.target_id == target_id, AnswerRule.first_merge_id == first, AnswerRule.second_merge_id == second
    )
    return catalog.first(query)


def merges_of_selection(catalog: Catalog, selection_id: int) -> list[Merge]:
    """Return the merges that were made for a selection, the last made first."""
    query = select(Merge).join(SelectionMerge).where(SelectionMerge.selection_id == selection_id)
    return catalog.all(query.order_by(col(SelectionMerge.id).desc()))


def get_merge(catalog: Catalog, name: str | int) -> Merge:
    """Return a merge by its id, or by the first digits of its recipe's hash (7 or more)."""
    text = str(name)
    rows = []
    if len(text) >= 7:
        rows = catalog.all(select(Merge).where(col(Merge.recipe_hash).startswith(text, autoescape=True)))
    if not rows and text.isdecimal():
        rows = catalog.all(select(Merge).where(Merge.id == int(text)))
    if len(rows) == 1:
        return rows[0]
    problem = f"'{name}' could be several merges" if rows else f"No merge '{name}' in the catalog"
    raise CatalogError(problem, "`sam-hub list --merges` shows what is there.")


def list_merges(catalog: Catalog) -> list[Merge]:
    """Return all merges, newest first."""
    return catalog.all(select(Merge).order_by(col(Merge.created_at).desc()))


def list_evaluations(catalog: Catalog, target_id: int) -> list[Evaluation]:
    """Return the evaluations on a target, newest first."""
    return catalog.all(select(Evaluation).where(Evaluation.target_id == target_id).order_by(col(Evaluation.id).desc()))


def list_pushes(catalog: Catalog) -> list[Push]:
    """Return all pushes, newest first."""
    return catalog.all(select(Push).order_by(col(Push.id).desc()))
