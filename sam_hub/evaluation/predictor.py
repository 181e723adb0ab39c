"""Compute the answer of a system: integrate its models' predictions, and let the base type them if configured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.predictions import Predictions, get_run, put_entities
from sam_hub.config import Settings
from sam_hub.evaluation.answer import AnswerRecipe, BaseTyping, BaseVersion, Entities, find_mentions
from sam_hub.evaluation.entity_typing import EntityTyper, TypingStrategy, sample_of
from sam_hub.evaluation.union import UNION, integrate
from sam_hub.inference.cached_predict import Model, ask
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter


@dataclass(frozen=True)
class System:
    """What is evaluated: one model, or two whose predictions are integrated by ``rule``, and how they are typed."""

    name: str
    models: tuple[Model, ...]
    rule: str = UNION
    typing: TypingStrategy | None = None

    @property
    def typed_by(self) -> tables.Base | None:
        """Return the base that types the mentions; None if the models' own types are used."""
        return self.typing.base if self.typing else None


@dataclass(frozen=True)
class Predictor:
    """Computes the predictions of systems for a target."""

    catalog: Catalog
    target: tables.Target
    settings: Settings
    free: bool = False
    reporter: Reporter = SILENT

    def ask(
        self, models: Sequence[Model], sentences: Sequence[Sentence], labels: Sequence[str] = ()
    ) -> dict[str, Predictions]:
        """Return the models' predictions by name, for ``labels`` or all labels of the target (see `ask`)."""
        return ask(
            self.catalog,
            models,
            sentences,
            labels or self.target.labels,
            settings=self.settings,
            target_id=self.target.id,
            free=self.free,
            reporter=self.reporter,
        )

    def answer(
        self, system: System, sentences: Sequence[Sentence], answers: dict[str, Predictions] | None = None
    ) -> tuple[Entities, list[Predictions]]:
        """Return a system's entities, and the predictions they are made of.

        If a base types the mentions, its run is the first of the predictions, and holds the whole answer.

        Args:
            answers: the models' predictions, if they were computed before.
        """
        answers = answers or self.ask(system.models, sentences)
        if system.typing is None or system.typed_by is None:
            rows = [answers[model.name] for model in system.models]
            return integrate([row.entities for row in rows], system.rule), rows
        mentions, rows = self._mentions(system, sentences, answers)
        typer = self._typer(system.typed_by)
        trust = system.typing.trust
        question = typer.question(sentences, rows, system.rule, trust, self.target)
        if (run := get_run(self.catalog, question)) is None:
            sample, began = sample_of(self.target), time.monotonic()
            sampled, _ = self._mentions(system, sample, self.ask(system.models, sample))
            typed = typer.type(sentences, mentions, sample, sampled, trust, self.reporter)
            seconds = time.monotonic() - began
            run = put_entities(self.catalog, question, typed, seconds=seconds, target_id=self.target.id)
        return run.entities, [run, *rows]

    def recipe(self, system: System, base: BaseVersion, folders: Sequence[str]) -> AnswerRecipe:
        """Return the recipe of a system's answer. For typing by a base, the models predict on a sample.

        Args:
            base: of the merged models.
            folders: of the models in the repository that the recipe is for.
        """
        typing = None
        if system.typing is not None and system.typed_by is not None:
            sample = sample_of(self.target)
            sampled, _ = self._mentions(system, sample, self.ask(system.models, sample))
            prior = self._typer(system.typed_by).prior(sample, sampled, self.reporter)
            typing = BaseTyping(learned=list(system.typing.learned), trust=system.typing.trust, prior=prior.tolist())
        return AnswerRecipe(
            labels=list(self.target.labels),
            prompt_format=system.models[0].prompt_format,
            models=list(folders),
            base=base,
            rule=system.rule,  # type: ignore[arg-type]  # checked by the model
            typing=typing,
        )

    def _typer(self, base: tables.Base) -> EntityTyper:
        return EntityTyper(self.catalog, base, tuple(self.target.labels), self.settings)

    def _mentions(
        self, system: System, sentences: Sequence[Sentence], answers: dict[str, Predictions]
    ) -> tuple[Entities, list[Predictions]]:
        """Return the mentions for the base to type (see `find_mentions`), and the predictions they are made of."""
        assert system.typing is not None
        rows: list[Predictions] = []

        def ask(labels: Sequence[str]) -> list[Entities]:
            whole = list(labels) == list(self.target.labels)
            asked = answers if whole else self.ask(system.models, sentences, labels)
            predictions = [asked[model.name] for model in system.models]
            rows[:0] = predictions  # the answer to the learned labels comes first
            return [prediction.entities for prediction in predictions]

        return find_mentions(ask, self.target.labels, system.typing.learned, system.rule), rows
