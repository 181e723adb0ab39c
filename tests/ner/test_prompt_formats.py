"""Entities are written into an answer, and read back from it, in either form."""

from __future__ import annotations

import pytest

from sam_hub.errors import UsageError
from sam_hub.ner import Sentence
from sam_hub.ner.formats import FORMATS, answer_segments, get_format

ODD = Sentence('Bob "the: builder", née É;B (R&D) {x} [y] \\ 🧪 O\'Neil: a;b None; end')
MENTIONS = ["Bob", 'Bob "the: builder"', "née É;B", "(R&D)", "{x} [y]", "\\ 🧪", "O'Neil: a;b", "None"]


def entities(mentions: list[str], label: str = "work of art"):
    starts = [ODD.text.index(m) for m in mentions]
    return [ODD.entity(s, s + len(m), label) for s, m in zip(starts, mentions, strict=True)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mention", MENTIONS)
def test_an_odd_mention_survives_writing_and_reading(name, mention):
    written = "".join(answer_segments(get_format(name), entities([mention])))
    parsed = get_format(name).parse(written)
    assert (parsed.mentions, parsed.well_formed) == ((("work of art", mention),), True)


@pytest.mark.parametrize("name", FORMATS)
def test_many_mentions_are_written_in_the_order_of_the_text(name):
    mentions = ["Bob", "née É;B", "O'Neil: a;b"]
    written = "".join(answer_segments(get_format(name), reversed(entities(mentions))))
    assert [m for _, m in get_format(name).parse(written).mentions] == mentions


def test_json_keeps_even_a_mention_that_looks_like_the_separator():
    written = "".join(answer_segments(get_format("json"), entities(["None; end"])))
    assert get_format("json").parse(written).mentions == (("work of art", "None; end"),)


@pytest.mark.parametrize(("name", "nothing"), [("b2ner", " None"), ("json", " []")])
def test_no_entities_are_an_answer_too(name, nothing):
    assert answer_segments(get_format(name), []) == [nothing]
    parsed = get_format(name).parse(nothing)
    assert (parsed.mentions, parsed.well_formed) == ((), True)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("", ()),
        ("There are no entities.", ()),
        ("person: Bob; Mary", (("person", "Bob"),)),
        (": Bob; place: Paris", (("place", "Paris"),)),
        ("person: ", ()),
    ],
)
def test_of_a_malformed_b2ner_answer_the_readable_part_is_kept_and_the_break_is_told(answer, kept):
    parsed = get_format("b2ner").parse(answer)
    assert (parsed.mentions, parsed.well_formed) == (kept, False)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("", ()),
        ("person: Bob", ()),
        ('{"label": "person", "mention": "Bob"}', ()),
        ('[{"label": "person", "mention": "Bob"}', ()),
        ('[{"label": "person", "mention": "Bob"}, 7, {"label": "x"}]', (("person", "Bob"),)),
        ("[" * 200_000, ()),
    ],
)
def test_of_a_malformed_json_answer_the_readable_part_is_kept_and_the_break_is_told(answer, kept):
    parsed = get_format("json").parse(answer)
    assert (parsed.mentions, parsed.well_formed) == (kept, False)


@pytest.mark.parametrize("name", FORMATS)
def test_what_all_prompts_share_comes_first(name):
    form = get_format(name)
    assert "person, place" in form.shared(["person", "place"])
    assert "person" not in form.question("Hello")


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="b2ner, json"):
        get_format("xml")
