"""An expert that knows movies covers a film title, and one that knows persons does not cover a planet."""

from __future__ import annotations

import pytest

from sam_hub.catalog.tables import Expert
from sam_hub.ner.readers import read_corpus
from sam_hub.selection.descriptors import expert_descriptor
from sam_hub.selection.label_matching import (
    SIMILAR,
    SYNONYMS,
    Coverage,
    How,
    LabelMatch,
    cover,
    match_labels,
    normal_form,
    recorded_names,
)
from sam_hub.selection.report import reasons
from sam_hub.services.context import AppContext
from sam_hub.services.options import SelectOptions
from sam_hub.services.selection import latest_rankings, run_selection


def expert(name: str, *labels: str, **details) -> Expert:
    return Expert(repo=name, commit="0" * 40, kind="adapter", base_repo="b", labels=list(labels), details=details)


@pytest.mark.parametrize(
    ("label", "own", "how"),
    [
        ("person", "person", How.exact),
        ("Movies", "movie", How.spelling),
        ("geo-political entity", "geopolitical entity", How.spelling),
        ("data_sets", "dataset", How.spelling),
        ("song title", "song", How.spelling),
        ("cities", "city", How.spelling),
        ("classes", "class", How.spelling),
        ("film title", "movie", How.synonym),
        ("PER", "person", How.synonym),
        ("organisations", "organization", How.synonym),
    ],
)
def test_names_of_one_thing_match(label: str, own: str, how: How) -> None:
    assert match_labels([label], ["planet", own]) == (LabelMatch(label, own, how),)
    assert bool(match_labels([label], ["planet", own], strict=True)) == (how == How.exact)


@pytest.mark.parametrize(
    ("label", "own"),
    [("person", "planet"), ("city", "country"), ("song", "album"), ("event", "event time"), ("statute", "statue")],
)
def test_names_of_different_things_do_not_match(label: str, own: str) -> None:
    assert cover([label], [expert("a", own)], embedder="all-MiniLM-L6-v2").uncovered() == (label,)


def test_an_exact_match_wins_and_the_order_is_the_targets() -> None:
    assert match_labels(["movie", "person"], ["person", "film", "movie"]) == (
        LabelMatch("movie", "movie", How.exact),
        LabelMatch("person", "person", How.exact),
    )


def test_no_name_has_two_meanings() -> None:
    forms = [{normal_form(name) for name in names} for names in SYNONYMS]
    assert sum(map(len, forms)) == len(set().union(*forms))


def test_the_names_an_expert_was_trained_with_count() -> None:
    names = {"data": [{"names": {"location": ["place to eat", 7], "person": "no list"}}, "nonsense"]}
    trained = expert("a", "location", recipe=names)
    assert recorded_names(trained) == {"location": ["place to eat"]}
    assert cover(["PLACE TO EAT"], [trained]).soft()["a"] == (LabelMatch("PLACE TO EAT", "location", How.synonym),)
    assert not cover(["PLACE TO EAT"], [trained], strict=True).covered()["a"]


def test_a_label_that_nobody_covers_by_name_is_covered_by_a_similar_one() -> None:
    experts = [expert("a", "theater", "person"), expert("b", "planet"), expert("unknown")]
    assert cover(["theatre"], experts).uncovered() == ()  # who does not record labels may cover all
    coverage = cover(["theatre", "person"], experts[:2], embedder="all-MiniLM-L6-v2")
    (match,) = coverage.soft()["a"]
    assert (match.label, match.expert_label, match.how) == ("theatre", "theater", How.similar)
    assert SIMILAR <= match.score < 1
    assert str(match) == f"theatre (as theater: similar {match.score:.2f})"
    assert coverage.covered() == {"a": ("theatre", "person"), "b": ()}
    assert cover(["theatre"], experts[:2], strict=True, embedder="all-MiniLM-L6-v2").uncovered() == ("theatre",)


def test_experts_without_recorded_labels_cover_all() -> None:
    assert Coverage(("person",), {"a": None}).covered() == {"a": ("person",)}


def test_a_selection_says_by_which_names_experts_cover_labels(context) -> None:
    """The experts know person and place; the target asks for humans and locations."""
    from pathlib import Path

    from sam_hub.catalog.targets import define_target

    corpus = Path(context.target.corpus_path)
    for each in context.experts:
        expert_descriptor(context.catalog, each, context.settings, read_corpus(corpus))
    define_target(context.catalog, "soft", corpus, ["humans", "location", "galaxy"])
    with AppContext(context.settings) as here:
        outcome = run_selection(here, SelectOptions("soft", k=1, sample=20))
        again = latest_rankings(here, "soft")
    row = outcome.rankings["sampling"].ranking.rows[0]
    assert row.covers == ("humans", "location")
    assert row.covers_in_words == ("humans (as person: synonym)", "location (as place: synonym)")
    assert dict(reasons(row.expert, again.rankings, again.labels))["covers"] == ", ".join(row.covers_in_words)
    assert again.uncovered == outcome.uncovered == ("galaxy",)
    assert again.rankings["sampling"].ranking.rows == outcome.rankings["sampling"].ranking.rows
