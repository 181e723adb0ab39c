"""A poll: the experts' answers on one sample, who may vote on what, and how an answer is marked by the votes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sam_hub.errors import InputError
from sam_hub.ner.text import Entity, Sentence
from sam_hub.selection.ranking import known_labels
from sam_hub.selection.votes import BY_SIMILARITY, LEAVE_SELF_OUT, Rows, VoteCounts, Voting, collect

FEWEST = 2  # voters; the word of one is no vote


@dataclass(frozen=True)
class Votes:
    """Answers of all experts on the same N sentences.

    ``known``: the target's labels that each was trained on. ``unreadable``: those of whose answers none could be read;
    they have no vote, since an answer that can't be read says nothing against an entity.
    """

    labels: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    predictions: Mapping[str, Rows]
    known: Mapping[str, tuple[str, ...]]
    parse_failures: Mapping[str, int]
    unreadable: frozenset[str]
    vote_counts: VoteCounts
    voting: Voting

    def left_out(self, expert: str) -> tuple[str, ...]:
        """Whose votes do not count for an expert: its own, unless the votes are plain."""
        return (expert,) if self.voting.votes == LEAVE_SELF_OUT else ()

    def score_against(
        self, answer: Rows, without: Collection[str] = (), among: Sequence[int] | None = None
    ) -> tuple[list[tuple[Entity, ...]], list[list[Entity]]]:
        """The votes, and an answer as it is compared with them.

        On a label on which nobody has a vote there is nothing for or against an entity: it is not counted.

        Args:
            answer: entities of the N sentences.
            without: voters whose votes do not count.
            among: the places of the sentences; all, where not given.
        """
        votable = self.vote_counts.votable(without)
        places = range(len(self.sentences)) if among is None else among
        said = [[entity for entity in answer[i] if entity.label in votable] for i in places]
        return self.vote_counts.agreed(self.voting, without, among), said


def collect_votes(
    sentences: Sequence[Sentence],
    predictions: Mapping[str, Rows],
    labels: Sequence[str],
    expert_labels: Mapping[str, Collection[str] | None],
    voting: Voting | None = None,
    parse_failures: Mapping[str, int] | None = None,
    cosines: Mapping[str, float] | None = None,
) -> Votes:
    """Count the votes.

    Args:
        sentences: the N sampled sentences.
        predictions: each expert's entities on them.
        labels: the target's label set.
        expert_labels: what each was trained on; None where that is not recorded.
        parse_failures: how many answers of each broke the format.
        cosines: of each expert's descriptor to the target's, for votes weighted by similarity.

    Raises:
        InputError: fewer than two experts have a vote.
    """
    voting, failures = voting or Voting(), dict(parse_failures or {})
    known = {name: known_labels(labels, expert_labels.get(name)) for name in predictions}
    unreadable = frozenset(
        name for name in predictions if sentences and failures.get(name, 0) >= len(sentences)
    )
    able = {name: knows for name, knows in known.items() if knows and name not in unreadable}
    vote_counts = collect(predictions, able, cosines or {} if voting.weights == BY_SIMILARITY else None)
    knowing = sum(map(bool, known.values()))
    _refuse_few(
        knowing,
        f"Only {knowing} of {len(predictions)} experts know any of the labels {', '.join(labels)}",
        "add experts, or select by similarity.",
    )
    _refuse_few(
        len(able),
        f"Only {len(able)} of the {knowing} experts that know the labels gave answers that can be read",
        "add experts, or ask again without --free.",
    )
    _refuse_few(
        len(vote_counts.voters),
        f"Only {len(vote_counts.voters)} of {len(able)} votes have a weight by similarity",
        "weight them alike, or describe the experts (`sam-hub describe`).",
    )
    return Votes(
        tuple(labels), tuple(sentences), predictions, known, failures, unreadable, vote_counts, voting
    )  # fmt: skip


def _refuse_few(count: int, title: str, action: str) -> None:
    if count < FEWEST:
        raise InputError(title, f"Votes need two at least: {action}")
