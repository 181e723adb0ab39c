"""A ranking explains itself to a user: why each expert stands where it stands, and whether any fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from sam_hub.ner.text import Entity
from sam_hub.selection.ranking import Disagreement, DomainSimilarity, Ranked, Ranking, RankingChoice
from sam_hub.selection.report import evidence_lines, excerpt, no_fit, reasons, verdict

Call = Callable[..., Any]
NAMES = ("acme/ner-law", "acme/ner-medicine", "acme/ner-news")


@pytest.fixture
def with_target(pulled: Call, texts: Path) -> Call:
    pulled("target", "add", "paris", texts / "corpus.txt", "--labels", "person, location, galaxy")
    return pulled


def test_explain_says_why_in_a_hundred_columns(with_target: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["select", "paris", "--explain", "--k", "2"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    for words in (
        "cosine to the target's text, rank 1 of 3",
        "domain law, descriptor from its repository",
        "F1",
        "95%",
        "leave-self-out votes, 0.25 of the voters must agree",
        "agrees",
        "covers    person",
        "missing   location, galaxy",
        "differs",
        "expert only:",
        "covers none of the labels",
        "Chosen in both:",
        "Chosen by similarity only:",
        "Chosen by sampling only:",
        "No expert covers: galaxy.",
        "untuned base",
    ):
        assert words in said, words


def test_json_always_explains(with_target: Call) -> None:
    made = with_target("select", "paris", "--k", "2")
    row = made["sampling"]["ranking"]["rows"][0]
    assert {"near", "domain", "base", "missing", "agreement", "disagreements"} <= set(row)
    assert row["near"]["origin"] == "repo"
    parameters = made["sampling"]["ranking"]["parameters"]
    asked = {row["expert"] for row in made["sampling"]["ranking"]["rows"] if row["covers"]}
    assert set(parameters["agreement"]) == asked < set(NAMES)  # who covers no label is not asked
    assert set(parameters["fit"]) >= {"fits", "why", "base", "base_f1", "best_f1"}
    assert set(made["chosen"]) == {"both", "similarity_only", "sampling_only"}
    assert made["uncovered"] == ["galaxy"]


def test_as_many_as_the_votes_speak_for(with_target: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """Two voters: nobody is left to judge a second one."""
    made = with_target("select", "paris", "--k", "auto")
    assert len(made["sampling"]["chosen"]) == len(made["similarity"]["chosen"]) == 1
    assert run(["select", "paris", "--k", "auto", "--explain"]) == 0
    said = capsys.readouterr().out
    assert "Number of experts:" in said
    assert "fewer than two voters would be left to judge it" in " ".join(said.split())


def test_a_merge_is_not_advised_where_the_untuned_base_does_as_well(
    with_target: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """A random base and random experts: none is better than another."""
    made = with_target("select", "paris", "--k", "1")
    fit = made["sampling"]["ranking"]["parameters"]["fit"]
    assert not fit["fits"]
    assert run(["select", "paris", "--k", "1"]) == 0
    shown_ = capsys.readouterr()
    assert fit["why"] in shown_.out
    assert "Don't merge these experts" in shown_.out
    assert "Next: sam-hub search" in shown_.err
    assert with_target("merge", "paris", "--dry-run")  # not forbidden


def ranking(row: dict[str, Any] | None = None, **parameters: Any) -> RankingChoice:
    only = Ranked("a", 0.5, 0.4, 0.6, ("person",), precision=0.5, recall=0.5, **(row or {}))
    return RankingChoice(Ranking("sampling", (only,), parameters), ("a",), 1)


def test_only_what_is_known_is_told() -> None:
    old = ranking(votes="plain", threshold=0.5, sentences=40)
    facts = dict(reasons("a", {"sampling": old}, ["person", "place"]))
    assert facts["votes"] == "F1 0.50, rank 1 of 1, chosen (k is 1)"
    assert facts["missing"] == "place"
    assert (verdict({}), no_fit({}), evidence_lines({})) == ("", "", [])


def test_the_steps_by_which_experts_were_chosen_are_told_each_with_its_gains() -> None:
    first = {"expert": "a", "before": None, "f1": 0.5, "gain": None, "checked": None, "taken": True}
    second = {"expert": "b", "before": 0.5, "f1": 0.61, "gain": 0.11, "checked": -0.02, "taken": False}
    evidence = {"chosen": ["a"], "steps": [first, second], "stopped": "no further expert helps on the second half"}
    lines = evidence_lines({"evidence": evidence})
    assert lines == [
        "1. a: the first, with F1 0.50 on one half of the sample",
        "2. b: with it F1 0.50 becomes 0.61 on one half, +0.110 there, -0.020 on the other half: not taken",
        "Stopped: no further expert helps on the second half.",
    ]
    facts = dict(reasons("a", {"sampling": ranking(evidence=evidence)}, ["person"]))
    assert facts["votes"].endswith("chosen by --k auto (k is 1)")
    assert facts["adds"] == "the first, with F1 0.50 on one half of the sample"


def test_a_ranking_by_votes_alone_tells_the_place_by_similarity_and_that_a_card_is_weak() -> None:
    made = ranking({"near": DomainSimilarity(0.4, 1, "card"), "domain": "law"})
    facts = reasons("a", {"sampling": made}, ["person"])
    assert facts[0] == ("text", "0.40 cosine to the target's text, rank 1 of 1 by similarity")
    assert facts[1][1].startswith("domain law, descriptor from its card only, which is weak")
    made = ranking({"domain": "law"})
    assert reasons("a", {"sampling": made}, [])[0] == ("text", "no descriptor to compare (domain law)")


def test_of_many_entities_on_which_an_expert_is_alone_four_are_named() -> None:
    says = tuple(Entity(at, at + 1, word, "x") for at, word in enumerate("abcdef"))
    made = ranking({"disagreements": (Disagreement("abcdef", says, ()),)})
    facts = reasons("a", {"sampling": made}, [])
    assert facts[-2:] == [("differs", '"abcdef"'), ("", "expert only: a [x], b [x], c [x], d [x] and 2 more")]


def test_where_experts_fit_both_scores_are_told() -> None:
    fit = {"fits": True, "why": "", "best": "a", "best_f1": 0.6, "best_low": 0.5, "best_high": 0.7}
    told = verdict({"fit": {**fit, "base": "acme/base", "base_f1": 0.3}})
    assert told == "Against the same votes, a has F1 0.60 (95% 0.50 to 0.70), and the untuned base acme/base 0.30."
    assert "not on disk" in verdict({"fit": {**fit, "base": None}})


def test_a_long_sentence_is_cut_around_the_place_in_question() -> None:
    text = " ".join(f"word{i}" for i in range(100))
    at = text.index("word50")
    cut = excerpt(text, at, 60)
    assert len(cut) <= 60
    assert "word50" in cut
    assert cut.startswith("…word")
    assert cut.endswith("…")
    assert excerpt(text, 0, 30) == "word0 word1 word2 word3 word4…"
    assert excerpt(text, len(text) - 3, 30).endswith("word99")
    assert excerpt("short", 0, 60) == "short"
    assert len(excerpt("x" * 500, 250, 60)) <= 60
