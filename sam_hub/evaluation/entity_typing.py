"""The types of an answer's mentions by the untuned base, where a label set holds types that no merged expert learned.

The mentions are the experts': finding them carries over to a new domain. Naming types that were never taught does
not (see `sam_hub.inference.label_scores`). Where most labels were taught, what the models say counts, too (`trust_in`).
How likely a label is anyway is measured on the mentions that the same models find in a sample of the target's texts,
so that an answer does not depend on what else is asked with it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.predictions import (
    Predictions,
    Question,
    find_label_scores,
    prompt_hash,
    put_label_scores,
)
from sam_hub.config import Settings
from sam_hub.errors import InputError, UsageError
from sam_hub.evaluation.answer import assign_types, mentions_in
from sam_hub.inference.cached_predict import (
    ENGINE,
    base_model,
    base_of_merge,
    experts_of,
    number_type,
)
from sam_hub.inference.label_scores import VERSION, Mention, prior_of, rounded, score_labels
from sam_hub.inference.models import load_model
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.text import Entity, Sentence, corpus_hash
from sam_hub.progress import SILENT, Reporter
from sam_hub.selection.ranking import uncovered
from sam_hub.selection.sampling import USUAL, draw_sample

AUTO, MODEL, BASE = "auto", "model", "base"
TYPES = (AUTO, MODEL, BASE)

Rows = Sequence[Sequence[Entity]]


@dataclass(frozen=True)
class TypingStrategy:
    """Whose types an answer of merged models has.

    ``base``: the untuned base that gives them; None: the models' own stand. ``learned`` and ``new``: the target's
    labels that a merged expert was taught, and the others. ``trust``: what a mention's own type has for it before the
    base is asked, in log odds, if it is a learned one. ``gone``: merged experts of which the catalog does not know any
    more what they learned. ``lacking``: why the base can't be asked, where it should be.
    """

    base: tables.Base | None
    learned: tuple[str, ...]
    new: tuple[str, ...]
    trust: float = 0.0
    gone: tuple[str, ...] = ()
    lacking: str = ""

    @property
    def told(self) -> str:
        """A line about labels that no merged expert learned, and who types them; empty where there are none."""
        if self.base:
            why = f"No merged expert learned {', '.join(self.new)}: t" if self.new and not self.gone else "T"
            says = "has a say in the types" if self.trust else "gives the types"
            return f"{why}he untuned {self.base.repo} {says} (--types model: the models' own)."
        if self.gone:
            return (
                f"The catalog no longer knows what {', '.join(self.gone)} learned: the types are the models' own "
                "(--types base: their untuned base's)."
            )
        if not self.new:
            return ""
        who = f"No merged expert learned {', '.join(self.new)}: the models will hardly use them"
        return f"{who}. {self.lacking}" if self.lacking else f"{who} (--types auto asks their untuned base)."


def trust_in(learned: Collection[str], labels: Collection[str]) -> float:
    """What a mention's own type has for it: twice the log odds of learned to new labels, and 0 at least.

    Where experts learned most of the labels, what they say is likelier right than what the base says; where they
    learned few, they say one of these few of everything. (Twice: the trials in docs/results.)
    """
    new = len(labels) - len(learned)
    return max(0.0, 2 * math.log(len(learned) / new)) if learned and new else 0.0


def typing_of(
    catalog: Catalog, labels: Sequence[str], merges: Sequence[tables.Merge], types: str = AUTO
) -> TypingStrategy:
    """Whose types an answer of these merges has.

    Args:
        types: "model", "base" (alone), or "auto": the base, if it is there and no merged expert learned one of the
            labels.

    Raises:
        UsageError: there is no such choice.
        InputError: the base was asked for, and is not there.
    """
    if types not in TYPES:
        raise UsageError(f"Types can't be by '{types}'", f"Known: {', '.join(TYPES)}.")
    experts = {e.ref: e for merge in merges for e in experts_of(catalog, merge)}
    gone = tuple(sorted({ref for merge in merges for ref in merge.refs} - set(experts)))
    new = uncovered(labels, {ref: expert.labels for ref, expert in experts.items()})
    learned = tuple(label for label in labels if label not in new)
    own = TypingStrategy(None, learned, new, gone=gone)
    if types == MODEL or (types == AUTO and (gone or not new)):
        return own
    try:
        base = base_of_merge(catalog, merges[0])
        base_model(base)  # is it on disk?
    except InputError as error:
        if types == BASE:
            raise
        return replace(own, lacking=str(error))
    return replace(own, base=base, trust=trust_in(learned, labels) if types == AUTO else 0.0)


def sample_of(target: tables.Target) -> list[Sentence]:
    """The sentences of a target on which labels are weighed."""
    return draw_sample(read_corpus(Path(target.corpus_path)), USUAL)


@dataclass(frozen=True)
class EntityTyper:
    """Gives mentions their types by what an untuned base says; what it said is kept in the catalog."""

    catalog: Catalog
    base: tables.Base
    labels: tuple[str, ...]
    settings: Settings

    @property
    def decoding(self) -> str:
        """Every setting that can change a score, in one spelling."""
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
        """As what a typed answer is kept: of which predictions it is made, how, and weighed on which corpus.

        A merge that is made again with other weights predicts anew, and so its typed answers are others, too.
        """
        parts = [[p.id for p in made_of], rule, round(trust, 4), target.corpus_sha256]
        made = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        how = f"{self.decoding} of {made}"
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
        """The same mentions with the base's types.

        Args:
            rows: the entities of N sentences. Their labels are the models' own, or empty where those don't count.
            sampled: what the same models find in the sample: by them is weighed how likely a label is anyway.
            trust: what an own label has for it, see `TypingStrategy`.
        """
        self._scores({*mentions_in(sentences, rows), *mentions_in(sample, sampled)}, reporter)
        prior = self.prior(sample, sampled)
        scores = self._scores(mentions_in(sentences, rows))
        return assign_types(tuple(map(tuple, rows)), sentences, self.labels, scores, prior, trust)

    def prior(
        self,
        sample: Sequence[Sentence],
        sampled: Rows,
        reporter: Reporter = SILENT,
    ) -> np.ndarray:
        """How likely each label is over the mentions that models find in a sample: log probabilities, (L,)."""
        weighed = mentions_in(sample, sampled)
        scores = self._scores(weighed, reporter)
        return prior_of(np.array([scores[m] for m in weighed]).reshape(-1, len(self.labels)))

    def _scores(
        self,
        mentions: Collection[Mention],
        reporter: Reporter = SILENT,
    ) -> dict[Mention, np.ndarray]:
        hashes = {mention: prompt_hash(json.dumps(mention)) for mention in sorted(set(mentions))}
        kept = find_label_scores(self.catalog, self.base.id, self.decoding, hashes.values())
        missing = [mention for mention, key in hashes.items() if key not in kept]
        if missing:
            kept |= self._ask(missing, hashes, reporter)
        return {mention: np.array(kept[key]) for mention, key in hashes.items()}

    def _ask(
        self,
        missing: Sequence[Mention],
        hashes: Mapping[Mention, str],
        reporter: Reporter,
    ) -> dict[str, list[float]]:
        options = {k: getattr(self.settings, k) for k in ("device", "dtype", "threads")}
        loaded = load_model(Path(self.base.path or ""), **options)
        found: dict[str, list[float]] = {}

        def keep(some: Sequence[Mention], scores: np.ndarray) -> None:
            fresh = {hashes[m]: rounded(row) for m, row in zip(some, scores, strict=True)}
            put_label_scores(self.catalog, self.base.id, self.decoding, fresh)
            found.update(fresh)
            reporter.progress(f"types by {self.base.repo}", len(found), len(missing), "mentions")

        score_labels(loaded, missing, self.labels, keep)
        return found
