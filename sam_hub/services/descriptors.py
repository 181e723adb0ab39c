"""Descriptors: describe the text of experts, and find the experts nearest to a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam_hub.errors import InputError, SamHubError
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.options import DescribeOptions, copied

if TYPE_CHECKING:
    from sam_hub.catalog import tables
    from sam_hub.hub.repo_snapshot import RepoSnapshot
    from sam_hub.inference.embedding import Descriptor
    from sam_hub.services.context import AppContext


@dataclass(frozen=True)
class DescriptorFacts:
    """What a descriptor was made from; ``weak`` where that is a card alone."""

    origin: str
    weak: bool
    embedder: str
    revision: str
    count: int
    sentences_sha256: str

    @classmethod
    def of(cls, row: tables.Descriptor) -> DescriptorFacts:
        """Return the facts of a row, without its vector."""
        from sam_hub.catalog.descriptor_sources import Origin

        return copied(cls, row, weak=Origin.parse(row.origin).weak)


def describe_added(
    context: AppContext, expert: tables.Expert, snapshot: RepoSnapshot, reporter: Reporter
) -> DescriptorFacts | None:
    """Describe an expert; log it only where its repository brought no usable descriptor."""
    from sam_hub.catalog.descriptor_sources import REPO
    from sam_hub.selection.descriptors import describe_expert

    try:
        described = describe_expert(context.catalog, context.hub, expert, context.settings, reporter, snapshot=snapshot)
    except SamHubError as error:
        reporter.log(f"  not described: {error}")
        return None
    for note in described.notes:
        reporter.log(f"  {note}")
    if described.row is None:
        reporter.log(f"  not described. To describe it by text of its domain, run {describe_command(expert.repo)}")
        return None
    if described.row.origin != REPO:
        reporter.log(f"  {_in_words(expert, described.row)}")
    return DescriptorFacts.of(described.row)


def _in_words(expert: tables.Expert, row: tables.Descriptor) -> str:
    from sam_hub.catalog.descriptor_sources import Origin, described_by

    better = f". For a better descriptor, run {describe_command(expert.repo)}" if Origin.parse(row.origin).weak else ""
    return f"described by {described_by(row.origin, row.count)}{better}"


def describe_command(repo: str) -> str:
    """Return the command that describes an expert by a text of its domain."""
    return f"`sam-hub describe {repo} --corpus FILE`"


@dataclass(frozen=True)
class DescribeOutcome:
    """An expert's descriptor, and notes on the sources that were tried for it."""

    expert: str
    descriptor: DescriptorFacts
    notes: tuple[str, ...]


def run_describe(context: AppContext, options: DescribeOptions, reporter: Reporter = SILENT) -> DescribeOutcome:
    """Describe an expert's text."""
    from sam_hub.catalog.experts import get_expert
    from sam_hub.ner.readers import read_corpus
    from sam_hub.selection.descriptors import describe_expert, expert_descriptor, known_descriptor

    catalog, settings = context.catalog, context.settings
    expert = get_expert(catalog, options.expert)
    notes: tuple[str, ...] = ()
    if options.corpus:
        expert_descriptor(catalog, expert, settings, read_corpus(options.corpus))
    row = known_descriptor(catalog, expert, settings)
    if not options.corpus and (row is None or options.again):
        described = describe_expert(catalog, context.hub, expert, settings, reporter, again=options.again)
        row, notes = described.row, described.notes
    for note in notes:
        reporter.log(f"  {note}")
    if row is None:
        raise InputError(
            f"{expert.repo} can't be described: {'; '.join(notes)}", f"Run {describe_command(expert.repo)}."
        )
    reporter.log(f"{expert.repo}: {_in_words(expert, row)}")
    return DescribeOutcome(expert.repo, DescriptorFacts.of(row), notes)


@dataclass(frozen=True)
class Neighbourhood:
    """The descriptor of a target or an expert, and the experts nearest to it with their cosines.

    ``described`` is None for a target. ``left_out`` has a line for each expert that another embedder describes, by
    repository.
    """

    name: str
    descriptor: Descriptor
    described: DescribeOutcome | None
    nearest: Sequence[tuple[tables.Expert, float]]
    left_out: Mapping[str, str]


def find_neighbours(context: AppContext, options: DescribeOptions, reporter: Reporter = SILENT) -> Neighbourhood:
    """Describe a target or an expert where that was not done yet, and find the ten nearest experts."""
    from sam_hub.catalog.descriptors import described_otherwise, nearest
    from sam_hub.catalog.experts import get_expert
    from sam_hub.catalog.targets import list_targets
    from sam_hub.selection.descriptors import expert_descriptor, target_descriptor

    catalog, settings, described = context.catalog, context.settings, None
    target = next((t for t in list_targets(catalog) if t.name == options.expert), None)
    if target is not None and options.corpus is None and not options.again:
        descriptor = target_descriptor(catalog, target, settings)
    else:
        described = run_describe(context, options, reporter)
        descriptor = expert_descriptor(catalog, get_expert(catalog, described.expert), settings)
    embedder = (descriptor.embedder, descriptor.revision)
    near = nearest(catalog, descriptor.vector, *embedder, limit=10)
    left_out = {other.repo: str(other.against(*embedder)) for other in described_otherwise(catalog, *embedder)}
    name = described.expert if described else options.expert
    return Neighbourhood(name, descriptor, described, near, left_out)
