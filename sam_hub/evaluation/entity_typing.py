"""The types of an answer's mentions by the untuned base, where a label set holds types that no merged expert learned.

The mentions are the experts': finding them carries over to a new domain. Naming types that were never taught does not
(see `sam_hub.inference.cloze`). How likely a label is anyway is measured on the mentions that the same models find in
a sample of the target's texts, so that an answer does not depend on what else is asked with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sam_hub import catalog as records
from sam_hub.catalog import Catalog
from sam_hub.errors import InputError, UsageError
from sam_hub.inference.asking import ENGINE, base_model, base_of, experts_of, number_type
from sam_hub.inference.cloze import VERSION, Mention, choose, prior_of, score_labels
from sam_hub.inference.models import load_model
from sam_hub.ner.readers import read_corpus
from sam_hub.ner.text import Entity, Sentence, corpus_hash
from sam_hub.selection.ranking import uncovered
from sam_hub.selection.sampling import USUAL, draw_sample
from sam_hub.settings import Settings

AUTO, MODEL, BASE = "auto", "model", "base"
TYPES = (AUTO, MODEL, BASE)

Rows = Sequence[Sequence[Entity]]


def base_that_types(
    catalog: Catalog, labels: Sequence[str], merges: Sequence[records.Merge], types: str = AUTO
) -> records.Base | None:
    """The base that gives an answer of these merges its types; None: the models' own types stand.

    Args:
        types: "model", "base", or "auto": the base, if it is there and no merged expert learned one of the labels.

    Raises:
        UsageError: there is no such choice.
        InputError: the base was asked for, and is not there.
    """
    if types not in TYPES:
        raise UsageError(f"Types can't be by '{types}'", f"Known: {', '.join(TYPES)}.")
    if types == MODEL or (types == AUTO and not unlearned(catalog, labels, merges)):
        return None
    tuned = [e for merge in merges for e in experts_of(catalog, merge) if e.kind == "adapter"]
    try:
        if not tuned:
            raise InputError("The base of these merges is not known", "Leave --types at auto.")
        base = base_of(catalog, tuned[0])
        base_model(base)  # is it on disk?
        return base
    except InputError:
        if types == AUTO:
            return None
        raise


def whose_types(
    catalog: Catalog, labels: Sequence[str], merges: Sequence[records.Merge], base: records.Base | None
) -> str:
    """A line about labels that no merged expert learned, and who types them; empty where there are none.

    Args:
        base: the one that `base_that_types` found.
    """
    if not (new := unlearned(catalog, labels, merges)):
        return ""
    by = (
        f"the types are the untuned {base.repo}'s (--types model: the models' own)"
        if base
        else "the models will hardly use them (--types base asks their untuned base)"
    )
    return f"No merged expert learned {', '.join(new)}: {by}."


def unlearned(catalog: Catalog, labels: Sequence[str], merges: Sequence[records.Merge]) -> list[str]:
    """The labels that no merged expert learned."""
    experts = [expert for merge in merges for expert in experts_of(catalog, merge)]
    return list(uncovered(labels, {expert.repo: expert.labels for expert in experts}))


def sample_of(target: records.Target) -> list[Sentence]:
    """The sentences of a target on which labels are weighed."""
    return draw_sample(read_corpus(Path(target.corpus_path)), USUAL)


@dataclass(frozen=True)
class Typist:
    """Gives mentions their types by what an untuned base says; what it said is kept in the catalog."""

    catalog: Catalog
    base: records.Base
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
        made_of: Sequence[records.Prediction],
        rule: str,
        target: records.Target,
    ) -> records.Question:
        """As what a typed answer is kept: of which predictions it is made, how, and weighed on which corpus."""
        parts = [[p.base_id, p.expert_id, p.merge_id, p.decoding] for p in made_of]
        made = hashlib.sha256(json.dumps([parts, rule, target.corpus_sha256]).encode()).hexdigest()[:16]
        how = f"{self.decoding} of {made}"
        return records.Question("base", self.base.id, corpus_hash(sentences), "cloze", self.labels, how)

    def type(
        self,
        sentences: Sequence[Sentence],
        rows: Rows,
        sample: Sequence[Sentence],
        sampled: Rows,
        on_progress: Callable[[str, int, int], None] = lambda name, done, total: None,
    ) -> tuple[tuple[Entity, ...], ...]:
        """The same mentions with the base's types.

        Args:
            rows: the entities of N sentences.
            sampled: what the same models find in the sample: by them is weighed how likely a label is anyway.
        """
        asked, weighed = _mentions(sentences, rows), _mentions(sample, sampled)
        scores = self._scores({*asked, *weighed}, on_progress)
        if not asked:
            return tuple(() for _ in rows)
        prior = prior_of(np.array([scores[m] for m in weighed or asked]))
        best = choose(np.array([scores[m] for m in asked]), prior)
        types = iter([self.labels[number] for number in best])
        return tuple(tuple(replace(entity, label=next(types)) for entity in row) for row in rows)

    def _scores(
        self, mentions: Collection[Mention], on_progress: Callable[[str, int, int], None]
    ) -> dict[Mention, np.ndarray]:
        hashes = {mention: records.prompt_hash(json.dumps(mention)) for mention in sorted(mentions)}
        kept = records.find_clozes(self.catalog, self.base.id, self.decoding, hashes.values())
        missing = [mention for mention, key in hashes.items() if key not in kept]
        if missing:
            kept |= self._ask(missing, hashes, on_progress)
        return {mention: np.array(kept[key]) for mention, key in hashes.items()}

    def _ask(
        self,
        missing: Sequence[Mention],
        hashes: Mapping[Mention, str],
        on_progress: Callable[[str, int, int], None],
    ) -> dict[str, list[float]]:
        options = {k: getattr(self.settings, k) for k in ("device", "dtype", "threads")}
        loaded = load_model(Path(self.base.path or ""), **options)
        found: dict[str, list[float]] = {}

        def keep(some: Sequence[Mention], scores: np.ndarray) -> None:
            fresh = {
                hashes[m]: [round(float(x), 4) for x in row] for m, row in zip(some, scores, strict=True)
            }
            records.put_clozes(self.catalog, self.base.id, self.decoding, fresh)
            found.update(fresh)
            on_progress(f"types by {self.base.repo}", len(found), len(missing))

        score_labels(loaded, missing, self.labels, keep)
        return found


def _mentions(sentences: Sequence[Sentence], rows: Rows) -> list[Mention]:
    return [(s.text, entity.text) for s, row in zip(sentences, rows, strict=True) for entity in row]
