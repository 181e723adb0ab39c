"""An expert of a text that is like the target's is not chosen for that alone: its vote F1 must be high enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sam_hub.errors import UsageError
from sam_hub.selection.choice import MIN_VOTE_RATIO, best_of, check_vote_ratio, with_enough_votes
from sam_hub.selection.ranking import Ranked, Ranking, RankingChoice
from sam_hub.selection.report import reasons
from sam_hub.selection.votes import THRESHOLD
from sam_hub.services.options import SelectOptions


def ranking(method: str, **scores: float) -> Ranking:
    rows = [Ranked(name, score, score, score, ("person",)) for name, score in scores.items()]
    return Ranking(method, tuple(sorted(rows, key=lambda row: -row.score)), {})


NEAR = ranking("similarity", news=0.5, code=0.4, wiki=0.3, law=0.2)
VOTED = ranking("sampling", wiki=0.6, law=0.5, news=0.4, code=0.1)


def test_the_nearest_is_passed_over_if_its_vote_f1_is_too_low():
    chosen = best_of((with_enough_votes(NEAR, VOTED), VOTED), 2)
    assert chosen == {"similarity": ("wiki", "law"), "sampling": ("wiki", "law")}


def test_a_smaller_share_lets_more_pass_and_none_lets_all():
    assert with_enough_votes(NEAR, VOTED, 0.6).top(2) == ("news", "wiki")
    assert with_enough_votes(NEAR, VOTED, 0).top(2) == ("news", "code")


def test_it_is_said_why():
    row = next(row for row in with_enough_votes(NEAR, VOTED).rows if row.expert == "code")
    note = "vote F1 too low (0.10; the best has 0.60)"
    assert row.note == row.unfit == note
    choice = RankingChoice(Ranking("similarity", (replace(row, note=f"{note}; no license"),), {}), (), 3)
    assert [fact for head, fact in reasons("code", {"similarity": choice}, ("person",)) if head == "note"] == [
        note,
        "no license",
    ]


def test_where_the_votes_say_nothing_everybody_stays():
    silent = ranking("sampling", news=0.0, code=0.0, wiki=0.0, law=0.0)
    assert with_enough_votes(NEAR, silent).rows == NEAR.rows


def test_the_best_is_one_that_can_be_chosen_by_similarity():
    """Else nobody might be left: the best voter may have no descriptor, or know no label."""
    strange = Ranked("strange", 0.9, 0.9, 0.9, ("person",))
    undescribed = replace(strange, score=None, unfit="has no descriptor")
    uninformed = replace(strange, score=0.4, covers=())
    for row in (undescribed, uninformed):
        near = Ranking("similarity", (*NEAR.rows, row), {})
        voted = Ranking("sampling", (replace(strange, covers=row.covers), *VOTED.rows), {})
        assert with_enough_votes(near, voted).top(2) == ("wiki", "law")
    assert with_enough_votes(near, voted, allow_uninformed=True).top(3, allow_uninformed=True) == ("strange",)


def test_experts_of_another_base_do_not_take_the_place_of_those_with_too_few_votes():
    near = Ranking("similarity", tuple(replace(row, base="x") for row in NEAR.rows), {})
    other = replace(NEAR.rows[0], expert="other", score=0.45, base="y")
    near = replace(near, rows=(near.rows[0], other, *near.rows[1:]))
    voted = ranking("sampling", news=0.1, other=0.0, code=0.1, wiki=0.6, law=0.5)
    assert with_enough_votes(near, voted).top(2) == ("wiki", "law")


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match="from 0 to 1"):
        check_vote_ratio(share)


def test_the_options_have_the_methods_own_settings():
    options = SelectOptions("any")
    assert (options.threshold, options.min_vote_ratio) == (THRESHOLD, MIN_VOTE_RATIO)
