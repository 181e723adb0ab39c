"""A recipe says what is learned: which data, under which labels, in which packs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from sam_hub.errors import InputError, UsageError
from sam_hub.ner import Entity, Sentence
from sam_hub.ner.formats import get_format
from sam_hub.ner.readers import to_jsonl
from sam_hub.training.data import encode_pack, is_name, packs, prepare, read_rehearsal, read_sets
from sam_hub.training.recipe import DataSource, TrainingRecipe, read_recipe, recipe_of
from tests.support import tiny_models
from tests.training.conftest import EMPTY, SENTENCES, recipe


def test_a_recipe_is_read_back_as_it_was_written(tmp_path):
    first = DataSource("a", {"k": "v"}, {"x": "y"}, ("y",), True, 2.0, {"y": ("why", "wye")}, {"y": "letter"}, ("z",))
    written = recipe(data=(first, DataSource("b")), most_distractors=2, most_labels=9)
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(written.as_dict()))
    assert read_recipe(file) == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "colour: Unexpected"),
        ({"name": None}, "name: Field required"),
        ({"data": []}, "has no data"),
        ({"data": [{"folder": "a", "sort": 1}]}, "sort: Unexpected"),
        ({"examples": 0}, "examples: Input should be greater"),
        ({"max_tokens": 3}, "max_tokens: Input should be greater"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(change, message):
    values = {**recipe().as_dict(), **change}
    values = {key: value for key, value in values.items() if value is not None}
    with pytest.raises(InputError, match=message):
        TrainingRecipe.from_dict(values)


def test_a_file_that_is_no_recipe_is_named(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for name in ("bad.json", "absent.json"):
        with pytest.raises(InputError, match=name):
            read_recipe(tmp_path / name)


def test_the_command_line_gives_every_folder_the_same_options(tmp_path):
    made = recipe_of(
        "n", "d", [tmp_path / "a", tmp_path / "b"], rename=["PER = person"], keep=["person"], options={"rank": 2}
    )
    assert [s.rename for s in made.data] == [{"PER": "person"}] * 2
    assert made.rank == 2
    with pytest.raises(UsageError, match="'PER' is not a renaming"):
        recipe_of("n", "d", [tmp_path], rename=["PER"])


def test_labels_are_renamed_kept_and_thinned_as_the_source_says():
    text = "The man met Ann @ Rome and he left"
    plain = Sentence(text)
    marked = [("The man", "PER"), ("Ann", "PER"), ("@", "PER"), ("Rome", "LOC"), ("he", "PER")]
    found = tuple(plain.entity(text.index(t), text.index(t) + len(t), la) for t, la in marked)
    sentence = Sentence(text, found)

    def kept(**options):
        made = prepare(sentence, DataSource("x", rename={"PER": "person", "LOC": "place"}, **options))
        return [(e.text, e.label) for e in made.entities]

    everything = [("The man", "person"), ("Ann", "person"), ("Rome", "place"), ("he", "person")]
    assert kept() == everything  # but for "@", which is no name
    assert kept(keep=("place",)) == [("Rome", "place")]
    assert kept(named_only=True) == [("Ann", "person"), ("Rome", "place")]


@pytest.mark.parametrize(
    ("mention", "name"), [("The man", False), ("I", False), ("Her mother", False), ("the Queen", True), ("Ann", True)]
)
def test_a_name_has_a_capital_that_no_article_or_pronoun_explains(mention, name):
    assert is_name(mention) is name


def test_at_most_a_share_of_the_sentences_is_empty_and_none_is_repeated(data):
    half, none = (read_sets(recipe(empty_share=share), data)[0] for share in (0.2, 0.0))
    assert sum(not s.entities for s in half.sentences) == 2
    assert not any(not s.entities for s in none.sentences)
    assert len({s.text for s in half.sentences}) == len(half.sentences) == len(SENTENCES) + 2
    assert half.labels == ("person", "place")
    assert len(EMPTY) == 3


def test_a_source_takes_only_the_lines_of_its_service(tmp_path):
    (tmp_path / "travel").mkdir()
    lines = [
        {"tokens": ["To", "Rome"], "spans": [[1, 2, "city"]], "service": "flights"},
        {"tokens": ["At", "six"], "spans": [[1, 2, "time"]], "service": "trains"},
        {"tokens": ["At", "ten"], "spans": [[1, 2, "time"]]},
    ]
    (tmp_path / "travel" / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    trains = DataSource("travel", {"service": "trains"})
    chosen = recipe(data=(trains, replace(trains, where={"service": "flights"})))
    sets = read_sets(chosen, tmp_path)
    assert [(s.text, part.labels) for part in sets for s in part.sentences] == [
        ("At six", ("time",)),
        ("To Rome", ("city",)),
    ]
    assert [part.source.name for part in sets] == ["travel.trains", "travel.flights"]
    with pytest.raises(InputError, match="has no entities"):
        read_sets(recipe(data=(replace(trains, where={"service": "hotels"}),)), tmp_path)


def test_data_without_entities_or_labels_is_refused(tmp_path):
    (tmp_path / "travel").mkdir()
    file = tmp_path / "travel" / "train.jsonl"
    file.write_text(to_jsonl(EMPTY))
    with pytest.raises(InputError, match="has no entities"):
        read_sets(recipe(), tmp_path)
    file.write_text('{"text": "Ann"}\n')
    with pytest.raises(InputError, match="sentences without labels"):
        read_sets(recipe(), tmp_path)


def test_the_same_recipe_gives_the_same_packs_and_another_seed_others(data):
    def made(seed):
        return list(packs(read_sets(recipe(seed=seed), data), recipe(seed=seed)))

    assert made(1) == made(1) != made(2)
    assert len(made(1)) == recipe().steps == 30


def test_rehearsal_mixes_in_what_the_base_was_trained_on(data, tmp_path):
    """Else an expert for few labels forgets how to read others."""
    (data / "years").mkdir()
    (data / "years" / "train.jsonl").write_text(
        to_jsonl([Sentence(f"In {y}.", (Entity(3, 7, str(y), "year"),)) for y in range(1900, 1950)])
    )
    general = replace(recipe(), data=(DataSource("years", share=7.0),))
    (tmp_path / "general.json").write_text(json.dumps(general.as_dict()))
    (tmp_path / "recipe.json").write_text(json.dumps(recipe(examples=4000, rehearsal="general.json").as_dict()))
    chosen = read_recipe(tmp_path / "recipe.json")
    made = list(packs(read_sets(chosen, data), chosen, read_rehearsal(chosen, data)))
    rehearsed = [pack for pack in made if pack.labels == ("year",)]
    assert 0.3 < len(rehearsed) / len(made) < 0.5
    assert all(entity.label == "year" for pack in rehearsed for s in pack.sentences for entity in s.entities)
    assert chosen.portable()["rehearsal"] == f"{tmp_path.name}/general.json"
    (tmp_path / "general.json").unlink()
    with pytest.raises(InputError, match=r"general\.json can't be read"):
        read_rehearsal(chosen, data)


def test_a_label_that_was_dropped_is_gone_from_the_answers_too(data):
    chosen = recipe(label_dropout=0.5)
    seen = {pack.labels for pack in packs(read_sets(chosen, data), chosen)}
    assert seen == {("person",), ("place",), ("person", "place"), ("place", "person")}
    for pack in packs(read_sets(chosen, data), chosen):
        for sentence in pack.sentences:
            full = next(s for s in (*SENTENCES, *EMPTY) if s.text == sentence.text)
            names = {"PER": "person", "LOC": "place"}
            wanted = [e.text for e in full.entities if names[e.label] in pack.labels]
            assert [e.text for e in sentence.entities] == wanted


def test_sentences_that_lose_all_entities_with_a_label_are_mostly_passed_over(data, tmp_path):
    """Else a recipe with much label dropout learns to find nothing."""
    (tmp_path / "travel").mkdir()
    half = [Sentence(s.text, s.entities[i % 2 : i % 2 + 1]) for i, s in enumerate(SENTENCES)]
    (tmp_path / "travel" / "train.jsonl").write_text(to_jsonl(half))

    def emptied(share):
        chosen = recipe(label_dropout=0.5, empty_share=share, examples=2000)
        asked = [s for pack in packs(read_sets(chosen, tmp_path), chosen) for s in pack.sentences]
        return sum(not s.entities for s in asked) / len(asked)

    assert emptied(0) < 0.01
    assert 0.05 < emptied(0.3) < 0.2 < emptied(0.99)


def test_a_label_is_called_by_several_names_in_question_and_answer_alike(data):
    source = replace(recipe().data[0], names={"person": ("human being", "who")})
    chosen = recipe(data=(source,), label_dropout=0, examples=400)
    seen = set()
    for pack in packs(read_sets(chosen, data), chosen):
        seen |= set(pack.labels)
        assert len(pack.labels) == 2
        assert {e.label for s in pack.sentences for e in s.entities} <= set(pack.labels)
    assert seen == {"person", "human being", "who", "place"}


def test_an_entity_whose_label_is_not_asked_for_is_answered_under_a_broader_one(data):
    broader = {"person": "being", "being": "thing", "place": "thing"}
    source = replace(recipe().data[0], names={"thing": ("object",)}, broader=broader)
    chosen = recipe(data=(source,), label_dropout=0.5, examples=800)
    sets = read_sets(chosen, data)
    assert sets[0].labels == ("person", "place", "being", "thing")
    full = {sentence.text: sentence for sentence in sets[0].sentences}
    chains = {"person": ("person", "being", "thing", "object"), "place": ("place", "thing", "object")}
    for pack in packs(sets, chosen):
        for sentence in pack.sentences:
            said = [(e.text, e.label) for e in sentence.entities]
            nearest = [
                (e.text, next((label for label in chains[e.label] if label in pack.labels), None))
                for e in full[sentence.text].entities
            ]
            assert said == [(text, label) for text, label in nearest if label]


def test_broader_labels_in_a_circle_end(data):
    source = replace(recipe().data[0], broader={"person": "being", "being": "person"})
    chosen = recipe(data=(source,), label_dropout=0.6, examples=400)
    seen = {e.label for pack in packs(read_sets(chosen, data), chosen) for s in pack.sentences for e in s.entities}
    assert seen == {"person", "being", "place"}


def test_a_pack_asks_for_no_more_labels_than_the_recipe_allows(data):
    chosen = recipe(most_labels=1, label_dropout=0, examples=400)
    assert {pack.labels for pack in packs(read_sets(chosen, data), chosen)} == {("person",), ("place",)}


def test_distractors_stand_among_the_labels_and_in_no_answer(data):
    distractors = ("gene", "who", "dish", "court")
    source = replace(recipe().data[0], names={"person": ("who",)}, distractors=distractors)
    chosen = recipe(data=(source,), most_distractors=2, examples=400)
    extra = [set(p.labels) - {"person", "who", "place"} for p in packs(read_sets(chosen, data), chosen)]
    assert set().union(*extra) == {"gene", "dish", "court"}  # "who" may be in an answer
    assert {len(labels) for labels in extra} == {0, 1, 2}
    for pack in packs(read_sets(chosen, data), chosen):
        assert {e.label for s in pack.sentences for e in s.entities} <= {"person", "who", "place"}


@pytest.mark.parametrize("form", ["b2ner", "json"])
def test_a_pack_is_a_prefix_and_its_examples_each_as_if_alone(data, form):
    tokenizer, form = tiny_models.tiny_tokenizer(), get_format(form)
    pack = next(islice(packs(read_sets(recipe(), data), recipe(pack=4)), 3, 4))
    made = encode_pack(pack, form, tokenizer, 500)
    assert len(made.ids) == len(made.owner) == len(made.position) == len(made.target)
    prefix = made.owner.count(-1)
    assert tokenizer.decode(made.ids[:prefix]) == form.shared(pack.labels)
    assert made.position[:prefix] == list(range(prefix))
    assert set(made.target[:prefix]) == {-100}
    for number, sentence in enumerate(pack.sentences):
        own = [i for i, owner in enumerate(made.owner) if owner == number]
        assert [made.position[i] for i in own] == list(range(prefix, prefix + len(own)))
        answer = [made.target[i] for i in own if made.target[i] != -100]
        assert answer[-1] == tokenizer.eos_token_id
        text, said = tokenizer.decode([made.ids[i] for i in own]), tokenizer.decode(answer[:-1])
        assert text == form.question(sentence.text) + said
        assert [m for _, m in form.parse(said).mentions] == [e.text for e in sentence.entities]
        asked = [i for i in own if made.target[i] == -100]  # the question, but for its last token
        follow = [(made.target[a], made.ids[b]) for a, b in pairwise(own) if a not in asked]
        assert all(target == token for target, token in follow)


def test_an_example_that_is_too_long_is_left_out(data):
    tokenizer, form = tiny_models.tiny_tokenizer(), get_format("b2ner")
    pack = next(packs(read_sets(recipe(), data), recipe()))
    assert set(encode_pack(pack, form, tokenizer, 16).owner) == {-1}
