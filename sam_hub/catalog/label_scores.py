"""What a base says of mentions, kept so that no mention is asked about twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.dialects.sqlite import insert
from sqlmodel import col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.sentence_predictions import VALUES_AT_ONCE
from sam_hub.catalog.tables import LabelScore


def find_label_scores(
    catalog: Catalog, base_id: int, decoding: str, prompts: Collection[str]
) -> dict[str, list[float]]:
    """The kept scores of the labels, by the prompt's hash; those that are missing are to be computed."""
    wanted, found = sorted(prompts), {}
    query = select(LabelScore).where(LabelScore.base_id == base_id, LabelScore.decoding == decoding)
    with catalog.session() as session:
        for first in range(0, len(wanted), VALUES_AT_ONCE):
            some = wanted[first : first + VALUES_AT_ONCE]
            rows = session.exec(query.where(col(LabelScore.prompt_sha256).in_(some)))
            found |= {row.prompt_sha256: row.scores for row in rows}
    return found


def put_label_scores(
    catalog: Catalog, base_id: int, decoding: str, scores: Mapping[str, Sequence[float]]
) -> None:
    """Keep scores by the prompt's hash. Where some are kept already, by another process, those stay."""
    rows = [
        LabelScore(base_id=base_id, prompt_sha256=prompt, decoding=decoding, scores=list(row)).model_dump(
            exclude={"id"}
        )
        for prompt, row in scores.items()
    ]
    with catalog.writing() as session:
        session.connection().execute(insert(LabelScore).on_conflict_do_nothing(), rows)
