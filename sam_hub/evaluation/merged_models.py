"""Merged models that predict by an `AnswerRecipe`, without a catalog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sam_hub.errors import UnusableModel
from sam_hub.evaluation.answer import AnswerRecipe, Entities, assign_types, find_mentions, mentions_in
from sam_hub.evaluation.union import integrate
from sam_hub.hub.file_rules import CONFIG_LIMIT
from sam_hub.hub.inspection import METADATA
from sam_hub.hub.weights import weights_sha256
from sam_hub.inference.adapters import is_adapter
from sam_hub.inference.label_scores import rounded, score_labels
from sam_hub.inference.models import load_model, with_adapter
from sam_hub.inference.prediction import predict
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter

if TYPE_CHECKING:
    from sam_hub.inference.models import LoadedModel


def read_recipe(folder: Path) -> AnswerRecipe:
    """Read the answer recipe of the models in a pushed folder.

    Raises:
        UnusableModel: the folder has no such recipe, or one of its models is missing.
    """
    file = folder / METADATA
    try:
        if file.stat().st_size > CONFIG_LIMIT:
            raise UnusableModel(f"{file} is too large for a description of a model", "Push it again.")
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableModel(
            f"{folder} has no merged models of sam-hub ({METADATA}: {error})",
            "Load a repository that `sam-hub push` has made.",
        ) from error
    answer = content.get("answer") if isinstance(content, dict) else None
    recipe = AnswerRecipe.parse(answer, str(folder))
    for name in recipe.models:
        if not (folder / name).is_dir():
            raise UnusableModel(f"{folder} has no model '{name}'", "Pull or push it again.")
    return recipe


@dataclass
class MergedModels:
    """One or two merged models, loaded on first use.

    Args:
        folders: of the models, full or adapters, in the order of the recipe.
        base: the folder of the untuned base, which is needed for adapters and for typing.
    """

    recipe: AnswerRecipe
    folders: tuple[Path, ...]
    base: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    _loaded: dict[Path, LoadedModel] = field(default_factory=dict, repr=False)
    _folded: ExitStack = field(
        default_factory=ExitStack, repr=False
    )  # never closed: closing would restore the base's weights

    @property
    def needs_base(self) -> bool:
        """Return whether the untuned base is needed for a prediction."""
        return self.recipe.typing is not None or any(is_adapter(folder) for folder in self.folders)

    def predict(self, sentences: Sequence[Sentence], reporter: Reporter = SILENT) -> Entities:
        """Return the entities of N sentences.

        Raises:
            UnusableModel: a model can't be loaded, or the base is missing or has other weights.
        """
        if not sentences:
            return ()
        recipe = self.recipe
        learned = recipe.typing.learned if recipe.typing else []
        rounds = 2 if 0 < len(learned) < len(recipe.labels) else 1
        total, done = rounds * len(self.folders) * len(sentences), 0

        def ask(labels: Sequence[str]) -> list[Entities]:
            nonlocal done
            answers = []
            for folder in self.folders:
                answers.append(self._ask(folder, sentences, labels))
                done += len(sentences)
                reporter.progress("find entities", done, total, "sentences")
            return answers

        if recipe.typing is None:
            return integrate(ask(recipe.labels), recipe.rule)
        mentions = find_mentions(ask, recipe.labels, learned, recipe.rule)
        asked = sorted(set(mentions_in(sentences, mentions)))
        scores = score_labels(self._load(self._base_folder()), asked, recipe.labels)
        by_mention = {mention: np.array(rounded(row)) for mention, row in zip(asked, scores, strict=True)}
        prior = np.array(recipe.typing.prior)
        return assign_types(mentions, sentences, recipe.labels, by_mention, prior, recipe.typing.trust)

    def _ask(self, folder: Path, sentences: Sequence[Sentence], labels: Sequence[str]) -> Entities:
        loaded = self._load(folder)
        answers = predict(loaded, sentences, labels, prompt_format=self.recipe.prompt_format)
        return tuple(answer.entities for answer in answers)

    def _load(self, folder: Path) -> LoadedModel:
        if folder not in self._loaded:
            load = partial(load_model, device=self.device, dtype=self.dtype, threads=self.threads)
            if is_adapter(folder):
                loaded = load(self._base_folder())
                self._folded.enter_context(with_adapter(loaded, folder))
            else:
                loaded = load(folder)
            self._loaded[folder] = loaded
        return self._loaded[folder]

    def _base_folder(self) -> Path:
        wanted = self.recipe.base
        if self.base is None:
            raise UnusableModel(
                f"The base {wanted.repo} at {wanted.commit[:8]} is not on disk", "Pull an expert of it."
            )
        if weights_sha256(self.base) != wanted.weights_sha256:
            raise UnusableModel(
                f"{self.base} holds other weights than {wanted.repo} at {wanted.commit[:8]}",
                "Name the base of the merged experts.",
            )
        return self.base
