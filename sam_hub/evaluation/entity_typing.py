"""Let the untuned base type mentions, for label sets with labels that no merged expert was trained on.

Experts find mentions in a new domain, but rarely use labels that they were not trained on (see
`sam_hub.inference.label_scores`). If they were trained on most labels, their own types count, too (`trust_in`). The
prior of the labels is measured on the mentions that the same models find in a sample of the target's texts, so an
answer does not depend on the other sentences of the same call.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.predictions import Predictions, Question, find_label_scores, prompt_hash, put_label_scores
from sam_hub.config import Settings
from sam_hub.errors import InputError, UsageError
from sam_hub.evaluation.answer import assign_types, mentions_in
from sam_hub.inference.cached_predict import ENGINE, base_model, base_of_merge, experts_of, number_type
from sam_hub.inference.label_scores import VERSION, Mention, prior_of, rounded, score_labels
from sam_hub.inference.models import load_model
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.text import Entity, Sentence, corpus_hash
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.label_matching import Coverage, match_expert
from sam_hub.selection.sampling import USUAL, draw_sample
from sam_hub.selection.votes import Rows

AUTO, MODEL, BASE = "auto", "model", "base"
TYPES = (AUTO, MODEL, BASE)


@dataclass(frozen=True)
class TypingStrategy:
    """How the mentions of merged models are typed.

    Attributes:
        base: the untuned base that types them; None if the models' own types are used.
        learned: the target's labels that a merged expert was trained on.
        new: the other labels of the target.
        trust: the weight of a mention's own type if it is a learned one, in log odds.
        gone: merged experts that are no longer in the catalog, so their labels are unknown.
        lacking: why the base can't be used although it should be.
    """

    base: tables.Base | None
    learned: tuple[str, ...]
    new: tuple[str, ...]
    trust: float = 0.0
    gone: tuple[str, ...] = ()
    lacking: str = ""

    @property
    def note(self) -> str:
        """Return a sentence on the labels that no merged expert was trained on; empty if there are none."""
        if self.base:
            why = f"No merged expert was trained on {', '.join(self.new)}. T" if self.new and not self.gone else "T"
            says = "helps to assign the types" if self.trust else "assigns the types"
            return f"{why}he untuned {self.base.repo} {says} (--types model: the merged models assign them)."
        if self.gone:
            return (
                f"The catalog no longer has the labels of {', '.join(self.gone)}, so the merged models assign the "
                "types (--types base: the untuned base assigns them)."
            )
        if not self.new:
            return ""
        who = f"No merged expert was trained on {', '.join(self.new)}, so the models rarely use them"
        return f"{who}. {self.lacking}" if self.lacking else f"{who} (--types auto: the untuned base helps)."


def trust_in(learned: Collection[str], labels: Collection[str]) -> float:
    """Return the weight of a mention's own type: twice the log odds of learned to new labels, at least 0.

    Experts trained on most of the labels are more often right than the base. Experts trained on few of them use these
    few for everything. The factor of two comes from the trials in docs/results.
    """
    new = len(labels) - len(learned)
    return max(0.0, 2 * math.log(len(learned) / new)) if learned and new else 0.0


def typing_of(
    catalog: Catalog, labels: Sequence[str], merges: Sequence[tables.Merge], types: str = AUTO
) -> TypingStrategy:
    """Return how the mentions of these merges are typed.

    Args:
        types: "model" for the models' own types, "base" for the base's, or "auto": the base, weighed with the models,
            if it is on disk and one of the labels is new to all merged experts.

    Raises:
        UsageError: ``types`` is unknown.
        InputError: ``types`` is "base", and the base is not on disk.
    """
    if types not in TYPES:
        raise UsageError(f"Unknown --types '{types}'", f"Known: {', '.join(TYPES)}.")
    experts = {e.ref: e for merge in merges for e in experts_of(catalog, merge)}
    gone = tuple(sorted({ref for merge in merges for ref in merge.refs} - set(experts)))
    new = Coverage(tuple(labels), {ref: match_expert(labels, e) for ref, e in experts.items()}).uncovered()
    learned = tuple(label for label in labels if label not in new)
    own = TypingStrategy(None, learned, new, gone=gone)
    if types == MODEL or (types == AUTO and (gone or not new)):
        return own
    try:
        base = base_of_merge(catalog, merges[0])
        base_model(base)  # raises an error if it is not on disk
    except InputError as error:
        if types == BASE:
            raise
        return replace(own, lacking=str(error))
    return replace(own, base=base, trust=trust_in(learned, labels) if types == AUTO else 0.0)


def sample_of(target: tables.Target) -> list[Sentence]:
    """Return the sample of a target on which the prior of the labels is measured."""
    return draw_sample(read_corpus(Path(target.corpus_path)), USUAL)


@dataclass(frozen=True)
class EntityTyper:
    """Types mentions by an untuned base; its scores are stored in the catalog."""

    catalog: Catalog
    base: tables.Base
    labels: tuple[str, ...]
    settings: Settings

    @property
    def decoding(self) -> str:
        """Return every setting that can change a score in one string."""
        labels = hashlib.sha256(json.dumps(self.labels).encode()).hexdigest()[:16]
        return f"cloze-{VERSION} {ENGINE} {labels} {number_type(self.settings)}"

    def question(
        self,
        sentences: Sequence[Sentence],
        made_of: Sequence[Predictions],
        rule: str,
        trust: float,
        target: tables.Target,
    ) -> Question:
        """Return the key of a typed answer: its predictions, the settings, and the corpus of the prior.

        A merge that was made again with other weights has other predictions, and so other typed answers.
        """
        parts = [[p.id for p in made_of], rule, round(trust, 4), target.corpus_sha256]
        parts_hash = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        how = f"{self.decoding} of {parts_hash}"
        return Question("base", self.base.id, corpus_hash(sentences), "cloze", self.labels, how)

    def type(
        self,
        sentences: Sequence[Sentence],
        rows: Rows,
        sample: Sequence[Sentence],
        sampled: Rows,
        trust: float = 0.0,
        reporter: Reporter = SILENT,
    ) -> tuple[tuple[Entity, ...], ...]:
        """Return the same mentions with the base's types.

        Args:
            rows: the entities of N sentences. Their labels are the models' own, or empty if those don't count.
            sampled: the entities that the same models find in the sample, for the prior of the labels.
            trust: the weight of an own label, see `TypingStrategy`.
        """
        self._scores({*mentions_in(sentences, rows), *mentions_in(sample, sampled)}, reporter)
        prior = self.prior(sample, sampled)
        scores = self._scores(mentions_in(sentences, rows))
        return assign_types(tuple(map(tuple, rows)), sentences, self.labels, scores, prior, trust)

    def prior(self, sample: Sequence[Sentence], sampled: Rows, reporter: Reporter = SILENT) -> np.ndarray:
        """Return the log probability of each label over the mentions that models find in a sample, (L,)."""
        mentions = mentions_in(sample, sampled)
        scores = self._scores(mentions, reporter)
        return prior_of(np.array([scores[m] for m in mentions]).reshape(-1, len(self.labels)))

    def _scores(self, mentions: Collection[Mention], reporter: Reporter = SILENT) -> dict[Mention, np.ndarray]:
        hashes = {mention: prompt_hash(json.dumps(mention)) for mention in sorted(set(mentions))}
        scores = find_label_scores(self.catalog, self.base.id, self.decoding, hashes.values())
        missing = [mention for mention, key in hashes.items() if key not in scores]
        done = 0

        def keep(some: Sequence[Mention], rows: np.ndarray) -> None:
            nonlocal done
            fresh = {hashes[mention]: rounded(row) for mention, row in zip(some, rows, strict=True)}
            put_label_scores(self.catalog, self.base.id, self.decoding, fresh)
            scores.update(fresh)
            done += len(some)
            reporter.progress(f"types by {self.base.repo}", done, len(missing), "mentions")

        if missing:
            options = {name: getattr(self.settings, name) for name in ("device", "dtype", "threads")}
            score_labels(load_model(Path(self.base.path or ""), **options), missing, self.labels, keep)
        return {mention: np.array(scores[key]) for mention, key in hashes.items()}
