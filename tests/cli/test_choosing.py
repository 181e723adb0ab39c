"""A user chooses experts by hand, with a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sam_hub.cli import run

Call = Callable[..., Any]
NAMES = ("acme/ner-law", "acme/ner-news")


@pytest.fixture
def ranked(with_target: Call) -> Call:
    with_target("select", "paris", "--k", "2", "--by", "similarity", *(f"--expert={name}" for name in NAMES))
    return with_target


def test_the_chosen_by_hand_are_merged_instead_of_the_best(ranked: Call) -> None:
    assert ranked("choose", "paris", "ner-law", "--by", "similarity") == {"similarity": ["acme/ner-law"]}
    (plan,) = ranked("merge", "paris", "--by", "similarity", "--dry-run")
    assert [name.partition("@")[0] for name in plan["experts"]] == ["acme/ner-law"]


def test_the_same_experts_in_both_rankings_are_planned_once(
    with_target: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    with_target("select", "paris", "--k", "2", "--min-vote-ratio", "0")
    capsys.readouterr()
    assert run(["merge", "paris", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "by sampling: the same experts as by similarity, so one merge serves both" in shown
    assert shown.count("merge_method") == 1


def test_a_new_ranking_chooses_the_best_again(ranked: Call) -> None:
    ranked("choose", "paris", "ner-law", "--by", "similarity")
    again = ranked("select", "paris", "--k", "2", "--by", "similarity")
    assert set(again["similarity"]["chosen"]) == set(NAMES)


def test_choosing_says_who_is_chosen_and_what_comes_next(ranked: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["choose", "paris", *NAMES, "--by", "similarity"]) == 0
    shown = capsys.readouterr()
    assert "Chosen for similarity: acme/ner-law, acme/ner-news" in shown.out
    assert "sam-hub merge paris" in shown.err


def test_there_is_nothing_to_choose_from_before_a_ranking(
    with_target: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    _, message = failing("choose", "paris", "ner-law")
    assert "Run `sam-hub select paris` first" in message


def test_an_expert_that_was_not_ranked_is_named(ranked: Call, failing: Callable[..., tuple[int, str]]) -> None:
    ranked("add", "acme/ner-medicine")
    _, message = failing("choose", "paris", "ner-medicine", "--by", "similarity")
    assert "acme/ner-medicine is not in the ranking by similarity" in message
