"""What a model's card tells of the text it was trained on: the data sets it names, and its own prose."""

from __future__ import annotations

import re

from sam_hub.ner.readers import read_text
from sam_hub.ner.text import Sentence

LIMIT = 64_000  # characters of a card that are looked at
MOST_SENTENCES = 200
LEAST_WORDS = 4  # less is a name, a number or a head
_FENCE = ("```", "~~~")
_MARKUP = (  # each pattern stops at the sign with which it begins, so that no text makes it slow
    (re.compile(r"!\[[^\[\]]*\]\([^()]*\)"), " "),  # an image
    (re.compile(r"\[([^\[\]]*)\]\([^()]*\)"), r"\1"),  # a link
    (re.compile(r"`[^`]*`"), " "),
    (re.compile(r"<[^<>]*>"), " "),
    (re.compile(r"\b(?:https?://|www\.)\S+"), " "),
    (re.compile(r"[*_]{1,3}"), ""),
)
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+")
_WORD = re.compile(r"[^\W\d_]{2,}")


def named_datasets(card: str) -> tuple[str, ...]:
    """The data sets that the metadata of a card name, in their order, each once; none where it can't be read.

    The YAML is looked at as a tree and never built into objects, which a few lines of it can make huge.
    """
    import yaml

    block, _ = _parted(card)
    try:
        tree = yaml.compose(block, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return ()
    if not isinstance(tree, yaml.MappingNode):
        return ()
    node = next((value for key, value in tree.value if key.value == "datasets"), None)
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    names = [n.value.strip() for n in nodes if isinstance(n, yaml.ScalarNode)]
    return tuple(dict.fromkeys(n for n in names if n and n.isprintable() and len(n) <= 96))


def prose(card: str) -> list[Sentence]:
    """The sentences of a card, without its metadata, code, tables, heads and addresses."""
    _, body = _parted(card)
    text = "\n".join(_paragraphs(_without_comments(body)))
    for pattern, instead in _MARKUP:
        text = pattern.sub(instead, text)
    pieces = read_text(text, split=True)
    return [piece for piece in pieces if len(_WORD.findall(piece.text)) >= LEAST_WORDS][:MOST_SENTENCES]


def _parted(card: str) -> tuple[str, str]:
    """The metadata block (empty without one) and the rest of the card's beginning."""
    text = card[:LIMIT].lstrip("\ufeff")
    if not text.startswith("---"):
        return "", text
    block, closed, rest = text[3:].partition("\n---")
    return (block, rest.partition("\n")[2]) if closed else ("", text)


def _without_comments(text: str) -> str:
    first, *others = text.split("<!--")
    return first + "".join(part.partition("-->")[2] for part in others)


def _paragraphs(text: str) -> list[str]:
    """Lines that belong together, joined; an item of a list is a paragraph of its own."""
    found, fence, open_one = [], "", False
    for line in map(str.strip, text.splitlines()):
        mark = next((mark for mark in _FENCE if line.startswith(mark)), "")
        if mark and fence in ("", mark):
            fence, open_one = "" if fence else mark, False
        elif fence:
            continue
        elif not line or line.startswith(("#", "|", "=", "---")) or line.count("|") > 1:
            open_one = False
        else:
            line = line.lstrip("> ")
            item = _ITEM.match(line)
            line = line[item.end() :] if item else line
            if open_one and not item:
                found[-1] += f" {line}"
            else:
                found.append(line)
            open_one = True
    return found
