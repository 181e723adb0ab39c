"""An expert of a text that is like the target's is not chosen for that alone: the votes can refute it."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature

import pytest

from sam_hub.cli.select import select
from sam_hub.errors import UsageError
from sam_hub.selection.choice import SUPPORT, best_of, check_support, supported
from sam_hub.selection.ranking import Ranked, Ranking
from sam_hub.selection.votes import THRESHOLD
from sam_hub.services.selection import SelectOptions


def ranking(method: str, **scores: float) -> Ranking:
    rows = [Ranked(name, score, score, score, ("person",)) for name, score in scores.items()]
    return Ranking(method, tuple(sorted(rows, key=lambda row: -row.score)), {})


NEAR = ranking("similarity", news=0.5, code=0.4, wiki=0.3, law=0.2)
VOTED = ranking("sampling", wiki=0.6, law=0.5, news=0.4, code=0.1)


def test_the_nearest_is_passed_over_if_the_votes_refute_it():
    chosen = best_of((supported(NEAR, VOTED), VOTED), 2)
    assert chosen == {"similarity": ("wiki", "law"), "sampling": ("wiki", "law")}


def test_a_smaller_share_lets_more_pass_and_none_lets_all():
    assert supported(NEAR, VOTED, 0.6).top(2) == ("news", "wiki")
    assert supported(NEAR, VOTED, 0).top(2) == ("news", "code")


def test_it_is_said_why():
    row = next(row for row in supported(NEAR, VOTED).rows if row.expert == "code")
    assert row.note == row.unfit == "vote F1 too low (0.10; the best has 0.60)"


def test_where_the_votes_say_nothing_nobody_is_refuted():
    silent = ranking("sampling", news=0.0, code=0.0, wiki=0.0, law=0.0)
    assert supported(NEAR, silent).rows == NEAR.rows


def test_the_best_is_one_that_can_be_chosen_by_similarity():
    """Else nobody might be left: the best voter may have no descriptor, or know no label."""
    strange = Ranked("strange", 0.9, 0.9, 0.9, ("person",))
    undescribed = replace(strange, score=None, unfit="has no descriptor")
    blind = replace(strange, score=0.4, knows=())
    for row in (undescribed, blind):
        near = Ranking("similarity", (*NEAR.rows, row), {})
        voted = Ranking("sampling", (replace(strange, knows=row.knows), *VOTED.rows), {})
        assert supported(near, voted).top(2) == ("wiki", "law")
    assert supported(near, voted, allow_blind=True).top(3, allow_blind=True) == ("strange",)


def test_experts_of_another_base_do_not_take_the_place_of_the_refuted():
    near = Ranking("similarity", tuple(replace(row, base="x") for row in NEAR.rows), {})
    other = replace(NEAR.rows[0], expert="other", score=0.45, base="y")
    near = replace(near, rows=(near.rows[0], other, *near.rows[1:]))
    voted = ranking("sampling", news=0.1, other=0.0, code=0.1, wiki=0.6, law=0.5)
    assert supported(near, voted).top(2) == ("wiki", "law")


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match="from 0 to 1"):
        check_support(share)


def test_command_and_job_take_the_methods_own_settings():
    command = signature(select).parameters
    for settings in (
        {name: command[name].default for name in ("threshold", "min_vote_ratio")},
        vars(SelectOptions("any")),
    ):
        assert (settings["threshold"], settings["min_vote_ratio"]) == (THRESHOLD, SUPPORT)
