"""What a model's card says of the text it was trained on: the data sets it names, and its own prose."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sam_hub.ner.readers import read_text
from sam_hub.ner.text import Sentence

if TYPE_CHECKING:
    from markdown_it.token import Token

LIMIT = 64_000  # characters of a card that are looked at
PROSE_LIMIT = 20_000  # characters of its prose: a card made to be slow takes a second at most
MOST_SENTENCES = 200
LEAST_WORDS = 4  # less is a name, a number or a heading
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+")
_WORD = re.compile(r"[^\W\d_]{2,}")


def named_datasets(card: str) -> tuple[str, ...]:
    """Return the data sets that the metadata of a card names, in their order, each once; none if it can't be read.

    The YAML is looked at as a tree and never built into objects, as huggingface_hub's RepoCard does: merged anchors
    make some lines of it larger than the memory.
    """
    import yaml

    metadata, _ = _split(card)
    try:
        tree = yaml.compose(metadata, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return ()
    if not isinstance(tree, yaml.MappingNode):
        return ()
    node = next((value for key, value in tree.value if key.value == "datasets"), None)
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    names = [item.value.strip() for item in nodes if isinstance(item, yaml.ScalarNode)]
    return tuple(dict.fromkeys(name for name in names if name and name.isprintable() and len(name) <= 96))


def prose(card: str) -> list[Sentence]:
    """Return the sentences of a card, without its metadata, code, tables, headings and addresses."""
    from markdown_it import MarkdownIt

    _, body = _split(card)
    paragraphs, outside = [], ""
    for token in MarkdownIt("commonmark").enable("table").parse(body[:PROSE_LIMIT]):
        if token.type in ("heading_open", "table_open"):
            outside = token.type.replace("open", "close")
        elif token.type == outside:
            outside = ""
        elif token.type == "inline" and not outside:
            text = "".join(_text_of(part) for part in token.children or ())
            paragraphs.append(" ".join(_ADDRESS.sub(" ", text).split()))
    sentences = read_text("\n".join(paragraphs), split=True)
    return [item for item in sentences if len(_WORD.findall(item.text)) >= LEAST_WORDS][:MOST_SENTENCES]


def _text_of(part: Token) -> str:
    """The text of a piece of a paragraph; code, HTML, images and line breaks are a blank."""
    if part.type == "text":
        return part.content
    return "" if part.type.endswith(("_open", "_close")) else " "


def _split(card: str) -> tuple[str, str]:
    """The metadata (empty without any) and the rest of the card's beginning."""
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    text = card[:LIMIT].lstrip("\ufeff")
    block = REGEX_YAML_BLOCK.match(text)
    return (block[2], text[block.end() :]) if block else ("", text)
