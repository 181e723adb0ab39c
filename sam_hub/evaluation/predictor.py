"""A system's answer: the models' predictions, integrated, and typed by the base where that is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.prediction_runs import Answers, entities_of, get_prediction, put_prediction
from sam_hub.config import Settings
from sam_hub.evaluation.entity_typing import EntityTyper, TypingStrategy, sample_of
from sam_hub.evaluation.union import UNION, integrate
from sam_hub.inference.cached_predict import Model, ask
from sam_hub.ner.text import Entity, Sentence

Watch = Callable[[str, int, int], None]
Entities = tuple[tuple[Entity, ...], ...]


@dataclass(frozen=True)
class System:
    """What is evaluated: one model, or two whose predictions are integrated by ``rule``, with whose types."""

    name: str
    models: tuple[Model, ...]
    rule: str = UNION
    typing: TypingStrategy | None = None

    @property
    def typed_by(self) -> tables.Base | None:
        """The base that gives the mentions their types; None: they are the models' own."""
        return self.typing.base if self.typing else None


@dataclass(frozen=True)
class Predictor:
    """Where a target's systems are asked."""

    catalog: Catalog
    target: tables.Target
    settings: Settings
    free: bool = False
    on_progress: Watch = lambda name, done, total: None

    def ask(
        self, models: Sequence[Model], sentences: Sequence[Sentence], labels: Sequence[str] = ()
    ) -> dict[str, tables.Prediction]:
        """The models' predictions by name, for some labels or all of the target's (see `ask`)."""
        return ask(
            self.catalog,
            models,
            sentences,
            labels or self.target.labels,
            settings=self.settings,
            target_id=self.target.id,
            free=self.free,
            on_progress=self.on_progress,
        )

    def answer(
        self,
        system: System,
        sentences: Sequence[Sentence],
        answers: dict[str, tables.Prediction] | None = None,
    ) -> tuple[Entities, list[tables.Prediction]]:
        """A system's entities, and the predictions that they are made of.

        Where a base types, its answer is the first of the predictions, and is the whole answer.

        Args:
            answers: the models' predictions, if they were asked already.
        """
        answers = answers or self.ask(system.models, sentences)
        if system.typed_by is None:
            rows = [answers[model.name] for model in system.models]
            return _integrated([entities_of(row) for row in rows], system.rule), rows
        assert system.typing is not None
        mentions, rows = self._mentions(system, sentences, answers)
        typist = EntityTyper(self.catalog, system.typed_by, tuple(self.target.labels), self.settings)
        trust = system.typing.trust
        question = typist.question(sentences, rows, system.rule, trust, self.target)
        if (kept := get_prediction(self.catalog, question)) is None:
            sample, began = sample_of(self.target), time.monotonic()
            sampled, _ = self._mentions(system, sample, self.ask(system.models, sample))
            typed = typist.type(sentences, mentions, sample, sampled, trust, self.on_progress)
            done = Answers(typed, 0, {}, time.monotonic() - began)
            kept = put_prediction(self.catalog, question, done, self.target.id)
        return entities_of(kept), [kept, *rows]

    def _mentions(
        self, system: System, sentences: Sequence[Sentence], answers: dict[str, tables.Prediction]
    ) -> tuple[Entities, list[tables.Prediction]]:
        """What the models find, asked for all labels, and once more for those that they learned.

        Experts find more when they are asked for what they know. A mention has the label that a model gave it, if it
        is a learned one, and the answer to what they know comes first; else an empty one.
        """
        assert system.typing is not None
        asked, learned = [answers], system.typing.learned
        if 0 < len(learned) < len(self.target.labels):
            asked.insert(0, self.ask(system.models, sentences, learned))
        said = [[entities_of(some[model.name]) for some in asked] for model in system.models]
        found = _integrated([_integrated([*map(_untyped, each)], UNION) for each in said], system.rule)
        by_rank = [rows for some in zip(*said, strict=True) for rows in some]
        return _with_own(found, by_rank, learned), [some[m.name] for some in asked for m in system.models]


def _integrated(rows: Sequence[Entities], rule: str) -> Entities:
    return integrate(rows[0], rows[1], rule) if len(rows) == 2 else rows[0]


def _with_own(found: Entities, said: Sequence[Entities], learned: Sequence[str]) -> Entities:
    """The mentions with their own labels: the first learned one said of just that span, the best rows first."""
    labelled = []
    for number, row in enumerate(found):
        own = {
            (e.start, e.end): e.label for rows in reversed(said) for e in rows[number] if e.label in learned
        }
        labelled.append(tuple(replace(e, label=own.get((e.start, e.end), "")) for e in row))
    return tuple(labelled)


def _untyped(rows: Entities) -> Entities:
    return tuple(tuple(replace(entity, label="") for entity in row) for row in rows)
