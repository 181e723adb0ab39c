"""Experts and targets are added once, found by what a person types, and listed with filters."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sam_hub.catalog.experts import add_base, get_base, get_expert, list_bases, list_experts, place_expert
from sam_hub.catalog.queries import ExpertQuery, browse_experts
from sam_hub.catalog.tables import Base, Target
from sam_hub.catalog.targets import get_target, list_targets, put_target
from sam_hub.errors import CatalogError, UsageError

from .conftest import BASE_SHA256, commit_of, expert_of


def base_of(commit: str = "a" * 40) -> Base:
    return Base(
        repo="HuggingFaceTB/SmolLM2-135M-Instruct",
        commit=commit,
        weights_sha256=BASE_SHA256,
        architecture="LlamaForCausalLM",
        hidden_size=576,
        vocabulary_size=49152,
        parameter_count=134_515_008,
        license="apache-2.0",
    )


def listed(catalog, *text: str, **query) -> list[str]:
    return [expert.repo for expert in list_experts(catalog, ExpertQuery(*text, **query))]


def test_an_expert_comes_back_as_it_was_added(catalog, add):
    added = add("o/news")
    assert get_expert(catalog, "o/news") == added
    assert added.labels == ["person", "location"]
    assert added.current
    assert added.added_at.utcoffset().total_seconds() == 0


def test_adding_the_same_commit_again_keeps_its_id_and_its_files(catalog, add, tmp_path):
    first = add("o/news")
    place_expert(catalog, first.id, tmp_path, 3_700_000)
    again = add("o/news", domain="newswire")
    assert (again.id, again.path, again.domain) == (first.id, str(tmp_path), "newswire")
    assert len(list_experts(catalog)) == 1


def test_a_new_commit_takes_over_and_the_old_one_stays_reachable(catalog, add):
    old = add("o/news")
    new = add("o/news", commit=commit_of("later"))
    assert [expert.id for expert in list_experts(catalog)] == [new.id]
    assert get_expert(catalog, "news").id == new.id
    assert get_expert(catalog, f"o/news@{old.commit[:7]}").id == old.id
    assert add("o/news").id == old.id
    assert get_expert(catalog, "news").id == old.id


@pytest.mark.parametrize("wrong", [{"commit": "main"}, {"base_sha256": "abc"}, {"kind": "lora"}, {"rank": 0}])
def test_an_expert_must_be_pinned_and_well_formed(wrong):
    with pytest.raises(ValidationError):
        expert_of("o/news", **wrong)


def test_an_expert_is_linked_to_its_base_whichever_comes_first(catalog, add):
    before = add("o/news")
    base = add_base(catalog, base_of())
    after = add("o/tweets")
    assert before.base_id is None
    assert get_expert(catalog, "news").base_id == base.id == after.base_id
    assert add("o/other", base_sha256="f" * 64).base_id is None


def test_adding_a_base_again_keeps_its_id(catalog):
    first = add_base(catalog, base_of())
    assert add_base(catalog, base_of()).id == first.id
    newer = add_base(catalog, base_of("c" * 40))
    assert get_base(catalog, "smollm2-135m-instruct").id == newer.id
    assert len(list_bases(catalog)) == 2


def test_an_expert_is_found_by_id_name_or_the_end_of_its_name(catalog, add):
    expert = add("someone/SmolLM2-NER-news")
    add("someone/SmolLM2-NER-tweets")
    for typed in (expert.id, str(expert.id), "someone/SmolLM2-NER-news", "smollm2-ner-news", "news"):
        assert get_expert(catalog, typed).id == expert.id


def test_a_name_that_several_experts_bear_is_not_guessed(catalog, add):
    add("anna/news")
    add("bert/news")
    with pytest.raises(CatalogError, match="anna/news, bert/news"):
        get_expert(catalog, "news")


def test_a_misspelt_name_gets_the_nearest_ones(catalog, add):
    for name in ("biomedicine", "wikipedia", "tweets"):
        add(f"o/{name}")
    with pytest.raises(CatalogError) as caught:
        get_expert(catalog, "wikipdia")
    assert caught.value.title == "No expert 'wikipdia' in the catalog"
    assert caught.value.action == "Did you mean o/wikipedia?"


def test_an_empty_catalog_says_that_it_is_empty(catalog):
    with pytest.raises(CatalogError, match="has none yet") as caught:
        get_expert(catalog, "news")
    assert caught.value.action == "Add one with `sam-hub add`."
    with pytest.raises(CatalogError, match="No expert 7"):
        get_expert(catalog, 7)


def test_filters_meet(catalog, add):
    add("o/news", labels=["person", "location"], domain="news")
    add("o/films", labels=["person", "title_100%"], domain="movies")
    add("o/bio", labels=["article"], domain="biomedicine", base_sha256="f" * 64, base_repo="o/other-base")
    assert listed(catalog, "MOV") == ["o/films"]
    assert listed(catalog, labels=("person",)) == ["o/films", "o/news"]
    assert listed(catalog, labels=("person", "location")) == ["o/news"]
    assert listed(catalog, labels=("art",)) == []
    assert listed(catalog, labels=("title_100%",)) == ["o/films"]
    assert listed(catalog, "%") == ["o/films"]
    assert listed(catalog, base="o/other-base") == ["o/bio"]
    assert listed(catalog, "new", base=BASE_SHA256) == ["o/news"]
    assert browse_experts(catalog.path, ExpertQuery(labels=("person",)), limit=1).total == 2


def test_a_list_is_sorted_and_ties_go_by_name(catalog, add):
    for number in range(5):
        add(f"o/e{number}", size_bytes=10 * (number % 3))
    whole = listed(catalog, sort="size_bytes", descending=True)
    assert whole == ["o/e2", "o/e4", "o/e1", "o/e3", "o/e0"]
    assert listed(catalog, sort="size_bytes") == whole[::-1]
    with pytest.raises(UsageError, match="size_bytes"):
        listed(catalog, sort="colour")


def test_a_target_is_stored_once_and_replaced_only_when_told(catalog, target):
    same = {"name": "court", "corpus_path": "/corpora/court.txt", "sentence_count": 3, "corpus_sha256": "c" * 64}
    assert put_target(catalog, Target(**same, labels=["person", "court"])).id == target.id
    with pytest.raises(CatalogError, match="--replace"):
        put_target(catalog, Target(**same, labels=["judge"]))
    replaced = put_target(catalog, Target(**same, labels=["judge"]), replace=True)
    assert (replaced.id, get_target(catalog, "court").labels) == (target.id, ["judge"])
    assert len(list_targets(catalog)) == 1


def test_a_misspelt_target_gets_the_nearest_one(catalog, target):
    with pytest.raises(CatalogError, match="Did you mean court"):
        get_target(catalog, "cuort")
