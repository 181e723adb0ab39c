"""Whether any expert fits: one that does no better than the base it was tuned from does not."""

from __future__ import annotations

from typing import Any

from sam_hub.selection.ranking import Ranking
from sam_hub.selection.scores import bootstrap_f1, f1_of
from sam_hub.selection.votes import Rows, Votes


def compare_to_base(
    votes: Votes, ranking: Ranking, base: str = "", answer: Rows | None = None
) -> dict[str, Any]:
    """Compare the best expert that can be chosen with the untuned base.

    Both are scored against the *same* votes: those of all experts but the best one. So neither has a vote in what it
    is marked by, however the ranking itself counts votes, and neither faces more pseudo-labels than the other. The
    base, which never votes, does as well if its strict F1 is at or above the lower end of the best expert's 95%
    interval. Its F1 against the votes of all experts is told beside it.

    Args:
        base: the untuned base's name.
        answer: its entities on the N sentences of the poll; None where it could not be asked.

    Returns:
        "fits"; "why": a sentence where none fits, else empty; "base", "base_f1", "base_f1_plain" (against the votes
        of all); "best", "best_f1", "best_low", "best_high"; None for what is not known.
    """
    scores = {row.expert: row.score for row in ranking.rows}
    best = next(iter(ranking.fit()), None)
    told: dict[str, Any] = {
        "fits": True,
        "why": "",
        "best": best,
        "base": base if answer is not None else None,
    }
    told |= dict.fromkeys(("base_f1", "base_f1_plain", "best_f1", "best_low", "best_high"))
    if best is not None:
        pseudo_labels, compared = votes.score_against(votes.predictions[best], (best,))
        told |= zip(
            ("best_f1", "best_low", "best_high"),
            bootstrap_f1(pseudo_labels, compared, votes.voting.seed),
            strict=True,
        )
    if answer is not None:
        told["base_f1_plain"] = f1_of(*votes.score_against(answer))
        told["base_f1"] = f1_of(*votes.score_against(answer, (best,) if best else ()))
    if best is None or not scores[best]:
        return {
            **told,
            "fits": False,
            "why": "No expert fits: none that can be chosen finds what others agree on",
        }
    if answer is not None and told["base_f1"] >= told["best_low"]:
        interval = f"95% {told['best_low']:.3f} to {told['best_high']:.3f}"
        why = (
            f"No expert fits: the untuned base does as well (against the votes of the others {base} has F1 "
            f"{told['base_f1']:.3f}, and the best expert, {best}, {told['best_f1']:.3f}, {interval})"
        )
        return {**told, "fits": False, "why": why}
    return told
