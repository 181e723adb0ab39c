"""Match a target's labels with those an expert was trained on, where the two use other names for one thing.

The matching decides who covers a label. An expert is always asked with the target's own names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sam_hub.ner.text import Sentence

if TYPE_CHECKING:
    from sam_hub.catalog.tables import Expert

# The lowest cosine of two names for one thing. Measured on pairs that names don't match: of 236 pairs of names for one
# thing, 17 reach it, and of 13,338 pairs of different types of one data set, 4. At .75, it is 58, but also 47 pairs of
# different types, such as "city" and "town". By name, 70 of 306 and none match.
SIMILAR = 0.85

# Names for one thing, each in one group. Broader and narrower types ("work", "song") are no synonyms.
SYNONYMS = (
    ("person", "per", "human", "people", "individual", "human being"),
    ("location", "loc", "place", "geographical location", "geographic location", "geographical area"),
    ("organization", "organisation", "org", "institution or company"),
    ("geopolitical entity", "gpe", "country, state or city", "country or city"),
    ("miscellaneous", "misc", "other", "other entity"),
    ("facility", "fac", "building or facility"),
    ("company", "corporation", "business", "firm", "enterprise"),
    ("political party", "party"),
    ("sports team", "team", "club", "sports club", "football club"),
    ("government agency", "government body", "public authority"),
    ("nationality, religious or political group", "norp"),
    ("movie", "film", "motion picture"),
    ("song", "track", "music track"),
    ("album", "record album", "music album"),
    ("band", "music group", "musical group"),
    ("musical artist", "music artist", "musician"),
    ("musical instrument", "instrument"),
    ("music genre", "musical genre", "genre of music"),
    ("TV show", "television show", "television series", "TV series", "television program"),
    ("creative work", "work of art", "artwork"),
    ("writer", "author"),
    ("director", "film director", "movie director"),
    ("actor", "film actor", "movie actor"),
    ("newspaper", "daily newspaper"),
    ("scientist", "researcher", "scholar"),
    ("academic journal", "scientific journal", "journal"),
    ("academic discipline", "discipline", "field of study"),
    ("metric", "evaluation metric"),
    ("data set", "training data", "corpus"),
    ("award", "prize"),
    ("event", "occurrence", "happening"),
    ("stadium", "sports stadium", "arena"),
    ("competition", "tournament", "sports competition"),
    ("disease", "illness", "disorder", "disease or disorder"),
    ("symptom", "sign or symptom"),
    ("drug", "medication", "medicine", "pharmaceutical"),
    ("chemical", "chemical entity", "chemical substance", "chemical compound"),
    ("species", "organism", "taxon", "organism taxon"),
    ("celestial object", "astronomical object", "celestial body"),
    ("statute", "law", "act of law"),
    ("cuisine", "type of food", "kind of cuisine"),
    ("restaurant", "eatery"),
    ("vehicle", "means of transport"),
    ("software", "software product", "computer program", "application", "app", "software application"),
    ("website", "web site", "internet site"),
    ("money", "amount of money", "monetary value"),
    ("language", "natural language"),
    ("deity", "god"),
)


class How(StrEnum):
    """How two labels match, the surest first."""

    exact = "exact"
    spelling = "spelling"
    synonym = "synonym"
    similar = "similar"


@dataclass(frozen=True)
class LabelMatch:
    """A target's label, and the label of an expert that means the same. ``score``: their cosine, 1 unless similar."""

    label: str
    expert_label: str
    how: How
    score: float = 1.0

    def __str__(self) -> str:
        score = f" {self.score:.2f}" if self.how == How.similar else ""
        return f"{self.label} (as {self.expert_label}: {self.how}{score})"


@dataclass(frozen=True)
class Coverage:
    """Which of a target's labels each expert covers, by its repository: None if its labels are not recorded."""

    labels: tuple[str, ...]
    matches: Mapping[str, tuple[LabelMatch, ...] | None]

    def covered(self) -> dict[str, tuple[str, ...]]:
        """Return the labels that each expert covers, in the target's order; all where its labels are not recorded."""
        return {
            repo: self.labels if matches is None else tuple(match.label for match in matches)
            for repo, matches in self.matches.items()
        }

    def uncovered(self) -> tuple[str, ...]:
        """Return the labels that no expert covers."""
        covered = {label for labels in self.covered().values() for label in labels}
        return tuple(label for label in self.labels if label not in covered)

    def soft(self) -> dict[str, tuple[LabelMatch, ...]]:
        """Return the matches of other names than the target's own, by expert."""
        return {repo: tuple(m for m in matches or () if m.how != How.exact) for repo, matches in self.matches.items()}


def normal_form(label: str) -> str:
    """Return a label without case, spaces, punctuation, a plural, and a last word "name" or "title"."""
    words = re.findall(r"[^\W_]+", label.casefold())
    if len(words) > 1 and words[-1] in ("name", "title"):
        words.pop()
    text = re.sub(r"(?<=ss|ch|sh|[a-z]x)es$|(?<=[^siu])s$", "", "".join(words))
    return re.sub(r"ie$", "y", text)


_GROUPS = {normal_form(name): number for number, names in enumerate(SYNONYMS) for name in names}


def _key(label: str) -> int | str:
    """Return what a label has in common with its synonyms."""
    return _GROUPS.get(form := normal_form(label), form)


def match_labels(
    labels: Iterable[str],
    expert_labels: Iterable[str],
    names: Mapping[str, Sequence[str]] | None = None,
    *,
    strict: bool = False,
) -> tuple[LabelMatch, ...]:
    """Return the labels that an expert covers by name, in their order.

    Args:
        labels: of the target.
        names: other names of the expert's labels, which it was trained on, too.
        strict: only labels of exactly the same name match.
    """
    own = list(expert_labels)
    if strict:
        return tuple(LabelMatch(label, label, How.exact) for label in labels if label in own)
    other = [(name, label) for label in own for name in (names or {}).get(label, ())]
    steps: list[tuple[How, dict[int | str, str]]] = [
        (How.exact, {label: label for label in own}),
        (How.spelling, {normal_form(label): label for label in reversed(own)}),
        (How.synonym, {normal_form(name): label for name, label in reversed(other)}),
        (How.synonym, {_key(label): label for label in reversed(own)}),
    ]
    matches = []
    for label in labels:
        forms = (label, normal_form(label), normal_form(label), _key(label))
        hits = (LabelMatch(label, by[form], how) for form, (how, by) in zip(forms, steps, strict=True) if form in by)
        matches += [match] if (match := next(hits, None)) else []
    return tuple(matches)


def match_expert(labels: Iterable[str], expert: Expert, *, strict: bool = False) -> tuple[LabelMatch, ...] | None:
    """Return the labels that an expert covers by name; None if its own labels are not recorded."""
    return match_labels(labels, expert.labels, recorded_names(expert), strict=strict) if expert.labels else None


def cover(
    labels: Sequence[str], experts: Iterable[Expert], *, strict: bool = False, embedder: str | None = None
) -> Coverage:
    """Return which of a target's labels each expert covers.

    Args:
        embedder: matches the labels that no expert covers by name, by the similarity of names. Without one, they
            stay uncovered.
    """
    own = {expert.repo: expert for expert in experts}
    matches = {repo: match_expert(labels, expert, strict=strict) for repo, expert in own.items()}
    coverage = Coverage(tuple(labels), matches)
    gaps = coverage.uncovered()
    known = sorted({label for expert in own.values() for label in expert.labels})
    if not gaps or not known or strict or embedder is None:
        return coverage
    cosines = _cosines(gaps, known, embedder)
    for repo, expert in own.items():
        if expert.labels:
            added = (_most_similar(gap, expert.labels, cosines) for gap in gaps)
            all_matches = (*(matches[repo] or ()), *(match for match in added if match.score >= SIMILAR))
            matches[repo] = tuple(sorted(all_matches, key=lambda match: coverage.labels.index(match.label)))
    return coverage


def count_experts(
    labels: Sequence[str], label_sets: Iterable[tuple[Sequence[str], int, int]]
) -> dict[str, tuple[int, int]]:
    """Return for each label how many experts cover it by name, and how many of those are on disk.

    Args:
        label_sets: sets of labels of experts, with the number of those that have it, and of those on disk.
    """
    sets = list(label_sets)
    names = {own: {match.label for match in match_labels(labels, [own])} for each, _, _ in sets for own in each}
    covers = [(set().union(*(names[own] for own in each)), count, on_disk) for each, count, on_disk in sets]
    return {
        label: (
            sum(count for own, count, _ in covers if label in own),
            sum(on_disk for own, _, on_disk in covers if label in own),
        )
        for label in labels
    }


def _most_similar(label: str, others: Sequence[str], cosines: Mapping[tuple[str, str], float]) -> LabelMatch:
    best = max(others, key=lambda other: cosines[label, other])
    return LabelMatch(label, best, How.similar, cosines[label, best])


def _cosines(labels: Sequence[str], others: Sequence[str], embedder: str) -> dict[tuple[str, str], float]:
    from sam_hub.inference.embedding import embed

    names = [*labels, *others]
    vectors = [row for rows in embed([Sentence(name.replace("_", " ")) for name in names], embedder) for row in rows]
    by_name = dict(zip(names, vectors, strict=True))
    return {(a, b): float(by_name[a] @ by_name[b]) for a in labels for b in others}


def recorded_names(expert: Expert) -> dict[str, list[str]]:
    """Return the other names of its labels that an expert's recipe trained it on, as its repository records them."""
    names: dict[str, list[str]] = {}
    recipe = expert.details.get("recipe")
    parts = recipe.get("data") if isinstance(recipe, dict) else None
    for part in parts if isinstance(parts, list) else ():
        recorded = part.get("names") if isinstance(part, dict) else None
        for label, others in recorded.items() if isinstance(recorded, dict) else ():
            if isinstance(others, list):
                names.setdefault(label, []).extend(other for other in others if isinstance(other, str))
    return names
