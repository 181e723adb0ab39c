"""Combine the predictions of merged models to one answer.

An `AnswerRecipe` holds everything that determines the answer: how mentions are integrated, and whether the base types
them. It is pushed with the models, so that they give the same answers wherever they are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam_hub.errors import UnusableModel
from sam_hub.evaluation.union import UNION, integrate
from sam_hub.inference.label_scores import Mention, choose
from sam_hub.ner.formats import FORMATS
from sam_hub.ner.text import Entity, Sentence

Entities = tuple[tuple[Entity, ...], ...]
"""The entities of N sentences."""
Ask = Callable[[Sequence[str]], list[Entities]]
"""Asks every model for some labels; returns one `Entities` for each model."""

Name = Annotated[str, Field(min_length=1, max_length=500)]
Folder = Annotated[str, Field(pattern=r"^(\.|[A-Za-z0-9][A-Za-z0-9_-]{0,99})$")]


class BaseVersion(BaseModel):
    """The base model over which experts were merged: its repository, and which version of it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    repo: Name
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BaseTyping(BaseModel):
    """Mentions are typed by the untuned base (see `sam_hub.evaluation.entity_typing`).

    Args:
        learned: the labels that a merged expert was trained on.
        trust: the weight of a mention's own type if it is a learned one, in log odds.
        prior: the log probability of each label of the recipe on the target's text, in their order.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    learned: list[Name] = Field(max_length=1000)
    trust: float
    prior: list[float] = Field(max_length=1000)


class AnswerRecipe(BaseModel):
    """How the answers of one or two models are combined to the answer of SaM.

    Args:
        models: their folders in the repository; "." is its top.
        rule: how the entities of two models are integrated.
        typing: None if the models' own types are used.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    labels: list[Name] = Field(min_length=1, max_length=1000)
    prompt_format: str
    models: list[Folder] = Field(min_length=1, max_length=2)
    base: BaseVersion
    rule: Literal["union", "intersection", "first", "second"] = "union"
    typing: BaseTyping | None = None

    @classmethod
    def parse(cls, content: object, source: str) -> AnswerRecipe:
        """Parse the recipe of a repository.

        Args:
            content: the value of "answer" in its ``sam_hub.json``.
            source: the repository, for error messages.

        Raises:
            UnusableModel: it is invalid or incomplete.
        """
        try:
            recipe = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "answer"
            raise UnusableModel(
                f"{source} does not say how to combine its models ({field}: {first['msg']})",
                "Push it again with `sam-hub push`, or load it with transformers.",
            ) from error
        if recipe.prompt_format not in FORMATS:
            raise UnusableModel(
                f"{source} uses the prompt format '{recipe.prompt_format}', which this version does not support",
                "Update sam-hub.",
            )
        if recipe.typing and len(recipe.typing.prior) != len(recipe.labels):
            raise UnusableModel(
                f"{source} has {len(recipe.labels)} labels and {len(recipe.typing.prior)} prior probabilities",
                "Push it again with `sam-hub push`.",
            )
        return recipe


def find_mentions(ask: Ask, labels: Sequence[str], learned: Sequence[str], rule: str) -> Entities:
    """Return the mentions that the models find in two rounds: for all labels, and for the learned labels only.

    Experts find more if they are asked only for labels they were trained on. A mention has the learned label that a
    model gave it, preferably in the second round, or else an empty label.
    """
    rounds = [ask(labels)]
    if 0 < len(learned) < len(labels):
        rounds.insert(0, ask(learned))
    by_model = list(zip(*rounds, strict=True))
    merged = [integrate([_untyped(answer) for answer in answers], UNION) for answers in by_model]
    by_rank = [answer for answers in rounds for answer in answers]
    return _with_own_labels(integrate(merged, rule), by_rank, learned)


def assign_types(
    mentions: Entities,
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    scores: Mapping[Mention, np.ndarray],
    prior: np.ndarray,
    trust: float,
) -> Entities:
    """Return the same mentions with the likeliest label of each.

    Args:
        mentions: of N sentences; the label is the models' own, or empty.
        scores: log probabilities of the L labels, (L,), for each mention.
        prior: log probability of each label on the target's text, (L,).
        trust: the weight of a mention's own label, in log odds.
    """
    pairs = mentions_in(sentences, mentions)
    if not pairs:
        return tuple(() for _ in mentions)
    own = np.array([[label == entity.label for label in labels] for row in mentions for entity in row])
    numbers = choose(np.array([scores[pair] for pair in pairs]) + trust * own, prior)
    types = iter([labels[number] for number in numbers])
    return tuple(tuple(replace(entity, label=next(types)) for entity in row) for row in mentions)


def mentions_in(sentences: Sequence[Sentence], rows: Sequence[Sequence[Entity]]) -> list[Mention]:
    """Return the text of the sentence and the text of the mention for each entity."""
    return [(s.text, entity.text) for s, row in zip(sentences, rows, strict=True) for entity in row]


def _with_own_labels(mentions: Entities, answers: Sequence[Entities], learned: Sequence[str]) -> Entities:
    """Return the mentions with the learned label of the first answer that has one for exactly that span."""
    labelled = []
    for number, row in enumerate(mentions):
        own = {(e.start, e.end): e.label for answer in reversed(answers) for e in answer[number] if e.label in learned}
        labelled.append(tuple(replace(e, label=own.get((e.start, e.end), "")) for e in row))
    return tuple(labelled)


def _untyped(rows: Entities) -> Entities:
    return tuple(tuple(replace(entity, label="") for entity in row) for row in rows)
