"""Turn labeled data into packs of examples that share one label set."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sam_hub.errors import InputError
from sam_hub.ner.formats import PromptFormat, answer_segments
from sam_hub.ner.readers import labels_of, read_file
from sam_hub.ner.text import Entity, Sentence
from sam_hub.training.recipe import DataSource, TrainingRecipe, read_recipe

# Capitalized words that don't make a mention a name: "The man", "I", "Her mother".
# fmt: off
COMMON = frozenset((
    "a", "all", "an", "and", "another", "any", "both", "each", "every", "few", "he", "her", "hers", "his",
    "i", "it", "its", "many", "mine", "most", "my", "no", "none", "one", "our", "ours", "she", "some",
    "such", "that", "the", "their", "theirs", "them", "these", "they", "this", "those", "us", "we", "what",
    "which", "who", "whoever", "you", "your", "yours",
))
# fmt: on

MOST_PASSED_OVER = 10


@dataclass(frozen=True)
class LabelledSet:
    """Prepared sentences of one source, with its labels: most frequent first, broader ones last."""

    sentences: tuple[Sentence, ...]
    labels: tuple[str, ...]
    source: DataSource


@dataclass(frozen=True)
class Pack:
    """Examples asked with the same labels in the same order."""

    labels: tuple[str, ...]
    sentences: tuple[Sentence, ...]


def prepare(sentence: Sentence, source: DataSource) -> Sentence:
    """Apply a source's label options; mentions without a letter or digit are dropped."""
    kept = []
    for entity in sentence.entities or ():
        label = source.rename.get(entity.label, entity.label)
        wanted = not source.keep or label in source.keep
        named = not source.named_only or is_name(entity.text)
        if wanted and named and any(c.isalnum() for c in entity.text):
            kept.append(Entity(entity.start, entity.end, entity.text, label))
    return Sentence(sentence.text, tuple(kept))


def is_name(mention: str) -> bool:
    """Return whether the mention has a capitalized word other than articles, pronouns and the like."""
    return any(word[:1].isupper() and word.strip("'’.,").lower() not in COMMON for word in mention.split())


def read_source(source: DataSource, root: Path, split: str = "train") -> tuple[Sentence, ...]:
    """Return the prepared, deduplicated sentences of one split."""
    file = root / source.folder / f"{split}.jsonl"
    if not file.exists():
        raise InputError(f"There is no {file}", "Give a folder with labeled sentences in train.jsonl.")
    seen: dict[str, Sentence] = {}
    for sentence in read_file(file, where=source.where):
        if sentence.entities is None:
            raise InputError(f"{file} has sentences without labels", "Give labeled data.")
        seen.setdefault(sentence.text, prepare(sentence, source))
    return tuple(seen.values())


def read_sets(recipe: TrainingRecipe, root: Path) -> list[LabelledSet]:
    """Read all sources of a recipe, shuffled by its seed, with at most ``empty_share`` of empty sentences."""
    sets = []
    for source in recipe.data:
        sentences = list(read_source(source, root))
        random.Random(f"{recipe.seed}:{source.name}").shuffle(sentences)
        full = sum(bool(s.entities) for s in sentences)
        if not full:
            raise InputError(
                f"{root / source.folder} has no entities", "Check the recipe's `where`, `keep` and `rename`."
            )
        allowed = int(full * recipe.empty_share / max(1e-9, 1 - recipe.empty_share))
        kept = []
        for sentence in sentences:
            allowed -= not sentence.entities
            if sentence.entities or allowed >= 0:
                kept.append(sentence)
        labels = tuple(dict.fromkeys([*labels_of(kept), *source.broader.values()]))
        sets.append(LabelledSet(tuple(kept), labels, source))
    return sets


def read_rehearsal(recipe: TrainingRecipe, root: Path) -> list[LabelledSet]:
    """Read the data of the base's own training, prepared as its recipe says. Without ``rehearsal``, there are none."""
    return read_sets(replace(recipe, data=read_recipe(Path(recipe.rehearsal)).data), root) if recipe.rehearsal else []


def packs(own: Sequence[LabelledSet], recipe: TrainingRecipe, rehearsal: Sequence[LabelledSet] = ()) -> Iterator[Pack]:
    """Yield ``recipe.steps`` packs, always the same ones for the same recipe.

    Sources are drawn by their shares. Each is used in shuffled order, and again when it is used up. A pack's label set
    is shuffled, thinned by label dropout, renamed, and mixed with distractors. Most sentences that lose all their
    entities with the dropped labels are skipped, because many empty answers would teach the model to give only those.
    """
    chance = random.Random(recipe.seed)
    sets = [*own, *rehearsal]
    rehearsed = recipe.rehearsal_share if rehearsal else 0.0
    shares = [*_shares(own, 1 - rehearsed), *_shares(rehearsal, rehearsed)]
    streams = [_endless(s.sentences, random.Random(f"{recipe.seed}:{i}")) for i, s in enumerate(sets)]
    for _ in range(recipe.steps):
        which = chance.choices(range(len(sets)), shares)[0]
        known, names = sets[which].labels, sets[which].source.names
        labels = [label for label in known if chance.random() >= recipe.label_dropout] or [chance.choice(known)]
        if len(labels) > recipe.most_labels:
            labels = chance.sample(labels, recipe.most_labels)
        called = {label: chance.choice([label, *names[label]]) if label in names else label for label in labels}
        shown = list(dict.fromkeys([*called.values(), *_distractors(recipe, sets[which], chance)]))
        chance.shuffle(shown)
        broader = sets[which].source.broader
        yield Pack(tuple(shown), tuple(_examples(streams[which], called, broader, recipe, chance)))


def _shares(sets: Sequence[LabelledSet], of_all: float) -> list[float]:
    """Return the sets' shares, scaled so that their sum is ``of_all``."""
    total = sum(s.source.share for s in sets)
    return [of_all * s.source.share / total for s in sets]


def _examples(
    stream: Iterator[Sentence],
    called: Mapping[str, str],
    broader: Mapping[str, str],
    recipe: TrainingRecipe,
    chance: random.Random,
) -> Iterator[Sentence]:
    """Yield a pack's sentences with only the entities of its labels, under their names in this pack."""
    for _ in range(recipe.pack):
        for _ in range(MOST_PASSED_OVER):  # limited, since a label can be so rare that hardly any sentence has it
            sentence = next(stream)
            renamed = _renamed(sentence, called, broader)
            if renamed.entities or not sentence.entities or chance.random() < recipe.empty_share:
                break
        yield renamed


def _distractors(recipe: TrainingRecipe, part: LabelledSet, chance: random.Random) -> list[str]:
    """Draw labels beside the source's own ones and their other names."""
    if not recipe.most_distractors:
        return []
    own = {*part.labels, *(name for names in part.source.names.values() for name in names)}
    others = [label for label in part.source.distractors if label not in own]
    return chance.sample(others, min(len(others), chance.randint(0, recipe.most_distractors)))


def _endless(sentences: Sequence[Sentence], chance: random.Random) -> Iterator[Sentence]:
    order = list(sentences)
    while True:
        yield from order
        chance.shuffle(order)


def _renamed(sentence: Sentence, called: Mapping[str, str], broader: Mapping[str, str]) -> Sentence:
    """Return the sentence with only the entities of these labels, or of narrower ones, renamed."""
    kept = ((e, _asked(e.label, called, broader)) for e in sentence.entities or ())
    return Sentence(sentence.text, tuple(Entity(e.start, e.end, e.text, called[la]) for e, la in kept if la))


def _asked(label: str, called: Mapping[str, str], broader: Mapping[str, str]) -> str:
    """Return the label itself if it is asked for, else the nearest broader one that is, else an empty string."""
    for _ in range(len(broader) + 1):  # a circle ends too
        if not label or label in called:
            break
        label = broader.get(label, "")
    return label if label in called else ""


@dataclass(frozen=True)
class EncodedPack:
    """Token ids of a pack: the shared prefix, then each example's question and answer.

    ``owner[t]`` is the example of token t, -1 for the prefix. ``position[t]`` is its position as if its example were
    the only one after the prefix. ``target[t]`` is the next token if that belongs to an answer, else -100.
    """

    ids: list[int]
    owner: list[int]
    position: list[int]
    target: list[int]


def encode_pack(pack: Pack, prompt_format: PromptFormat, tokenizer, max_tokens: int) -> EncodedPack:
    """Tokenize a pack by segments; examples longer than ``max_tokens`` are left out."""
    prefix = tokenizer.encode(prompt_format.shared(pack.labels), add_special_tokens=False)
    ids, owner = list(prefix), [-1] * len(prefix)
    position, target = list(range(len(prefix))), [-100] * len(prefix)
    for number, sentence in enumerate(pack.sentences):
        question = tokenizer.encode(prompt_format.question(sentence.text), add_special_tokens=False)
        segments = answer_segments(prompt_format, sentence.entities or ())
        answer = [t for s in segments for t in tokenizer.encode(s, add_special_tokens=False)]
        answer.append(tokenizer.eos_token_id)
        if len(question) + len(answer) > max_tokens:
            continue
        tokens = question + answer[:-1]
        ids += tokens
        owner += [number] * len(tokens)
        position += range(len(prefix), len(prefix) + len(tokens))
        target += [-100] * (len(question) - 1) + answer
    return EncodedPack(ids, owner, position, target)


def origin_of(source: DataSource, root: Path) -> dict:
    """Return the origin of a data set: name, repository, commit and license of its ``meta.json``."""
    file = root / source.folder / "meta.json"
    if not file.is_file():
        return {"name": source.name}
    meta = json.loads(file.read_text(encoding="utf-8"))
    origin = meta.get("source", {})
    return {
        "name": ": ".join([meta.get("dataset", Path(source.folder).name), *source.where.values()]),
        "text": meta.get("text_domain"),
        "repository": origin.get("repo"),
        "commit": origin.get("commit"),
        "license": meta.get("license") or meta.get("licence"),
    }
