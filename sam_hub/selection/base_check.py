"""Check whether the best expert is better than the untuned base."""

from __future__ import annotations

from typing import Any

from sam_hub.selection.ranking import Ranking
from sam_hub.selection.scores import bootstrap_f1, f1_of
from sam_hub.selection.votes import Rows, Votes


def compare_to_base(votes: Votes, ranking: Ranking, base: str = "", answer: Rows | None = None) -> dict[str, Any]:
    """Compare the best expert that can be chosen with the untuned base.

    Both are scored against the same votes, those of all experts except the best one, however the ranking counts
    votes. So neither of them votes on its own score, and both face the same pseudo-labels. The base does as well if its
    strict F1 is at or above the lower end of the best expert's 95% interval.

    Args:
        base: the untuned base's name.
        answer: its entities on the N sentences of the sample; None if it is not on disk.

    Returns:
        "fits"; "why", a sentence if no expert fits, else empty; "base", "base_f1", "base_f1_plain" (against the votes
        of all experts); "best", "best_f1", "best_low", "best_high". Unknown values are None.
    """
    scores = {row.expert: row.score for row in ranking.rows}
    best = next(iter(ranking.fit()), None)
    check: dict[str, Any] = {"fits": True, "why": "", "best": best, "base": base if answer is not None else None}
    check |= dict.fromkeys(("base_f1", "base_f1_plain", "best_f1", "best_low", "best_high"))
    if best is not None:
        pseudo_labels, compared = votes.score_against(votes.predictions[best], (best,))
        check |= zip(
            ("best_f1", "best_low", "best_high"), bootstrap_f1(pseudo_labels, compared, votes.voting.seed), strict=True
        )
    if answer is not None:
        check["base_f1_plain"] = f1_of(*votes.score_against(answer))
        check["base_f1"] = f1_of(*votes.score_against(answer, (best,) if best else ()))
    if best is None or not scores[best]:
        return {**check, "fits": False, "why": "No suitable expert: none of the candidates agrees with the majority"}
    if answer is not None and check["base_f1"] >= check["best_low"]:
        interval = f"95% {check['best_low']:.3f} to {check['best_high']:.3f}"
        why = (
            f"No suitable expert: the untuned base does as well (against the votes of the others, {base} has F1 "
            f"{check['base_f1']:.3f}, and the best expert, {best}, {check['best_f1']:.3f}, {interval})"
        )
        return {**check, "fits": False, "why": why}
    return check
