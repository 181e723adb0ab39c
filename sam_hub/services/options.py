"""The options of each service: one frozen dataclass, whose fields say what they mean, for the command line, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from sam_hub.errors import UsageError
from sam_hub.merging.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from sam_hub.selection.votes import VoteOptions

AUTO = "auto"
T = TypeVar("T")


# By which ranking experts are chosen; by which one, or by both.
Method = StrEnum("Method", ["similarity", "sampling"])
By = StrEnum("By", ["similarity", "sampling", "both"])
# Whose votes an expert is scored against, and how much a vote weighs.
VoteScheme = StrEnum("VoteScheme", {"leave_self_out": "leave-self-out", "plain": "plain"})
VoteWeights = StrEnum("VoteWeights", ["uniform", "similarity"])
# How two models' entities become one answer, and whose types they have: the merged models', or the untuned base's.
Rule = StrEnum("Rule", ["union", "intersection", "first", "second"])
Types = StrEnum("Types", ["auto", "model", "base"])


@dataclass(frozen=True)
class Doc:
    """What a field of options means, and how the command line takes it.

    Args:
        name: of the command line's option ("--expert") or argument ("names"). By default a field without a default is
            an argument, and any other one an option, named like the field.
        minimum: the least number that is allowed.
        separator: between the items of a list that the command line takes as one text.
    """

    text: str
    name: str = ""
    minimum: int | None = None
    separator: str = ""


def copied(kind: type[T], source: object, **values: Any) -> T:
    """Return an instance of a dataclass with these values, and for the other fields the attributes of ``source``."""
    names = kind.__dataclass_fields__.keys() - values.keys()  # type: ignore[attr-defined]
    return kind(**{name: getattr(source, name) for name in names}, **values)


def options_from(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return options with these plain values: words become members of enums and paths, lists become tuples.

    Raises:
        UsageError: there is no such option, or a value can't be used.
    """
    from pydantic import TypeAdapter, ValidationError

    name = kind.__name__
    if unknown := sorted(values.keys() - kind.__dataclass_fields__.keys()):  # type: ignore[attr-defined]
        raise UsageError(f"{name} has no '{unknown[0]}'", "Take one of its fields.")
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UsageError(f"{name} can't take '{where}': {problem['msg']}", "Correct the value.") from error


class JobOptions:
    """Options of a service that can run as a job of a kind (see `sam_hub.jobs.kinds`)."""

    KIND: ClassVar[str]
    TITLE: ClassVar[str]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, Path):  # a job's process may work in another folder
                object.__setattr__(self, name, value.expanduser().absolute())

    @property
    def title(self) -> str:
        """A few words for lists."""
        return self.TITLE.format(self)

    def check(self) -> None:
        """Refuse options that make no sense, before a job is made of them or a model is asked. Raises UsageError."""


Corpus = Annotated[Path, Doc("A .txt, .conll or .jsonl file, or a folder of them.")]
Free = Annotated[bool, Doc("Decode without the answer's grammar.")]
Split = Annotated[bool, Doc("Cut running text into sentences.")]
Combine = Annotated[Rule, Doc("How both models' entities become one answer.")]
WhoseTypes = Annotated[
    Types,
    Doc(
        "Whose types SaM's answer has: the merged models', or the untuned base's. auto: the base's, where the target "
        "has a label that no merged expert learned."
    ),
]


@dataclass(frozen=True)
class SearchOptions:
    """What to search the Hub for."""

    text: Annotated[str, Doc("Words in the repository's name.", "text")] = ""
    base: Annotated[str | None, Doc("The base model's repository.")] = None
    author: Annotated[str | None, Doc("Its owner on the Hub.")] = None
    labels: Annotated[tuple[str, ...], Doc("An entity type it covers; may be repeated.", "--label")] = ()
    library: Annotated[str | None, Doc("What loads it: peft, transformers.")] = None
    license: Annotated[str | None, Doc("Its license, such as apache-2.0.")] = None
    sort: Annotated[str, Doc("last_modified, downloads, likes or created_at.")] = "last_modified"
    limit: Annotated[int, Doc("At most so many; 0: all.", minimum=0)] = 30


@dataclass(frozen=True)
class AddOptions(JobOptions):
    """Repositories to add, pinned to the commit of ``revision``; the other fields replace what they say themselves."""

    KIND: ClassVar[str] = "add"

    repos: Annotated[tuple[str, ...], Doc("Repositories (owner/name).")]
    revision: Annotated[str, Doc("A branch, tag or commit.")] = "main"
    labels: Annotated[tuple[str, ...], Doc("Its entity types, where it does not say.", "--label")] = ()
    base: Annotated[str | None, Doc("Its base, where it does not say.")] = None
    domain: Annotated[str | None, Doc("Its domain, where it does not say.")] = None
    prompt_format: Annotated[str | None, Doc("b2ner or json, where it does not say.")] = None

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"add {', '.join(self.repos)}"


@dataclass(frozen=True)
class UpdateOptions(JobOptions):
    """Experts to move to the Hub's head."""

    KIND: ClassVar[str] = "update"

    experts: Annotated[tuple[str, ...], Doc("Experts; all, where none are named.", "names")] = ()

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"update {', '.join(self.experts) or 'all experts'}"


@dataclass(frozen=True)
class PullOptions(JobOptions):
    """An expert to fetch: ``owner/name``, the end of a name, ``repo@commit``, or an id."""

    KIND: ClassVar[str] = "pull"
    TITLE: ClassVar[str] = "pull {0.expert}"

    expert: str


@dataclass(frozen=True)
class RemovalOptions(JobOptions):
    """An expert to remove."""

    KIND: ClassVar[str] = "remove"
    TITLE: ClassVar[str] = "remove {0.expert}"

    expert: str


@dataclass(frozen=True)
class DescribeOptions(JobOptions):
    """An expert to describe, by a corpus or by what its repository, data sets and card lead to."""

    KIND: ClassVar[str] = "describe"
    TITLE: ClassVar[str] = "describe {0.expert}"

    expert: Annotated[str, Doc("A target, or an expert.", "name")]
    corpus: Annotated[Path | None, Doc("Text of an expert's domain, in place of what it is described by.")] = None
    again: Annotated[bool, Doc("Look for an expert's text anew: its repository, data set, card.")] = False


@dataclass(frozen=True)
class ScanOptions(JobOptions):
    """A corpus to look through.

    Args:
        gold: labelled sentences, which are no corpus where they lie in its folder.
    """

    KIND: ClassVar[str] = "scan"
    TITLE: ClassVar[str] = "scan {0.corpus.name}"

    corpus: Corpus
    split: Split = False
    gold: Path | None = None


@dataclass(frozen=True)
class TargetOptions(JobOptions):
    """A target to create."""

    KIND: ClassVar[str] = "target"
    TITLE: ClassVar[str] = "make target {0.name}"

    name: Annotated[str, Doc("What to call it.")]
    corpus: Corpus
    labels: Annotated[tuple[str, ...], Doc("Entity types, separated by commas.", "--labels", separator=",")]
    gold: Annotated[Path | None, Doc("Labelled sentences, for the evaluation alone.")] = None
    split: Split = False
    replace: Annotated[bool, Doc("Replace a target of this name.")] = False


@dataclass(frozen=True)
class SelectOptions(JobOptions):
    """How to rank experts for a target, and how many to choose."""

    KIND: ClassVar[str] = "select"
    TITLE: ClassVar[str] = "rank experts for {0.target}"

    target: Annotated[str, Doc("The target's name.")]
    by: Annotated[By, Doc("Which ranking to make.")] = By.both
    k: Annotated[int | str, Doc("How many experts to choose; auto: as many as the votes speak for.")] = 3
    sample: Annotated[int, Doc("Sentences that every expert is asked about, 20 to 500; a smaller corpus whole.")] = 40
    votes: Annotated[VoteScheme, Doc("Whose votes count for an expert.")] = VoteScheme.leave_self_out
    weights: Annotated[
        VoteWeights, Doc("Votes weigh alike, or by how similar the expert's text is to the target's.")
    ] = VoteWeights.uniform
    free: Free = False
    threshold: Annotated[float, Doc("The share of voters that must agree.")] = 0.25
    min_vote_ratio: Annotated[
        float,
        Doc(
            "Where votes are made, too: by similarity, choose no expert with less than this share of the best score by "
            "votes; 0: any."
        ),
    ] = 0.67
    seed: Annotated[int, Doc("Of the sample and the bootstrap.")] = 0
    experts: Annotated[tuple[str, ...], Doc("Only these; else all that are on disk.", "--expert")] = ()
    allow_uninformed: Annotated[bool, Doc("Choose experts that cover none of the labels, too.")] = False

    @property
    def voting(self) -> VoteOptions:
        """How votes are counted. Raises UsageError where that makes no sense."""
        from sam_hub.selection.votes import VoteOptions

        return VoteOptions(threshold=self.threshold, votes=str(self.votes), seed=self.seed, weights=str(self.weights))

    def check(self) -> None:
        """Refuse a sample that is too small or too large, and a k, votes or a ratio that make no sense."""
        from sam_hub.selection.choice import check_count, check_vote_ratio
        from sam_hub.selection.sampling import check_size

        check_count(self.k, self.by)
        check_size(self.sample)
        check_vote_ratio(self.min_vote_ratio)
        _ = self.voting


@dataclass(frozen=True)
class ChooseOptions:
    """Experts to choose by hand, and in which ranking they replace the best k."""

    target: Annotated[str, Doc("The target's name.")]
    experts: Annotated[tuple[str, ...], Doc("The experts to be merged.", "expert")]
    by: Annotated[By, Doc("In which ranking they take the place of the best k.")] = By.both


@dataclass(frozen=True)
class MergeOptions(JobOptions):
    """What to merge, how, and what else to make of it."""

    KIND: ClassVar[str] = "merge"

    target: Annotated[str | None, Doc("The target whose selection is merged.", "target")] = None
    by: Annotated[By, Doc("Whose choice: similarity, sampling, or one merge for each.")] = By.both
    experts: Annotated[tuple[str, ...], Doc("Merge these instead; may be repeated.", "--expert")] = ()
    method: Annotated[str, Doc("A mergekit method.")] = DEFAULT_METHOD
    parameters: Annotated[dict[str, Any], Doc("A parameter, such as density=0.5.", "--set")] = field(
        default_factory=dict
    )
    weights: Annotated[tuple[float, ...], Doc("A weight for each expert, in their order.", "--weight")] = ()
    by_score: Annotated[bool, Doc("Weigh each expert by its score in the ranking that chose it.")] = False
    seed: Annotated[int, Doc("For methods that draw at random.")] = 0
    stable: Annotated[
        bool, Doc("Keep equally large changes by their order: quicker, but not mergekit-yaml's very bits.")
    ] = False
    as_adapter: Annotated[bool, Doc("Write each merge as one LoRA adapter, too.")] = False
    rank: Annotated[int, Doc("The adapter's rank at most; 0: the sum of the experts'.", minimum=0)] = 0
    leave_one_out: Annotated[bool, Doc("Merge without each expert, too: what does each add?")] = False
    timeout: Annotated[float, Doc("Give a merge up after so many seconds; 0: never.", minimum=0)] = 0

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"merge for {self.target}" if self.target else f"merge {', '.join(self.experts)}"

    def check(self) -> None:
        """Refuse weights that are given twice, and contributions of experts that were named or weighted."""
        if self.by_score and (self.weights or self.experts):
            raise UsageError("--by-score and --weight or --expert exclude each other", "Give one of them.")
        own = self.target is not None and not (self.experts or self.weights or self.by_score)
        if self.leave_one_out and not own:
            raise UsageError(
                "What each expert adds is found for a target's own choices, weighted alike",
                "Name a target, and leave experts and weights out.",
            )

    @property
    def recipe(self) -> dict[str, Any]:
        """What `sam_hub.merging.service.plan_for` takes beside the experts and their weights."""
        return {name: getattr(self, name) for name in ("method", "parameters", "seed", "stable")}


@dataclass(frozen=True)
class PredictionOptions:
    """Whose merged models answer, and how."""

    target: Annotated[str, Doc("The target whose merged models answer.")]
    corpus: Corpus
    rule: Combine = Rule.union
    types: WhoseTypes = Types.auto
    free: Free = False
    split: Split = False


@dataclass(frozen=True)
class EvaluationOptions(JobOptions):
    """What to score on labelled sentences."""

    KIND: ClassVar[str] = "evaluate"
    TITLE: ClassVar[str] = "evaluate {0.target}"

    target: Annotated[str, Doc("The target's name.")]
    gold: Annotated[Path | None, Doc("Labelled sentences; else those of the target.")] = None
    rule: Combine = Rule.union
    types: WhoseTypes = Types.auto
    free: Free = False
    singles: Annotated[bool, Doc("Evaluate each expert and the untuned base, too.")] = False


@dataclass(frozen=True)
class PushOptions(JobOptions):
    """Which of a target's merges to push, and where to."""

    KIND: ClassVar[str] = "push"
    TITLE: ClassVar[str] = "push {0.repo}"

    target: Annotated[str, Doc("The target for which the model was merged.")]
    repo: Annotated[str, Doc("Where to: owner/name.", "--repo")]
    by: Annotated[Method, Doc("Which of its merged models.")] = Method.sampling
    public: Annotated[bool, Doc("Create a public repository, not a private one.")] = False
    force: Annotated[bool, Doc("Push the newest merge, also if it failed the check.")] = False
    adapter: Annotated[bool, Doc("Push the merge as the one adapter that --as-adapter wrote.")] = False
    pull_request: Annotated[bool, Doc("Propose it to the repository's owner, as a pull request.", "--create-pr")] = (
        False
    )


@dataclass(frozen=True)
class TrainOptions:
    """What to train on, and where to write the expert."""

    out: Annotated[Path, Doc("The folder the expert shall be written to.", "--out")]
    base: Annotated[str, Doc("A base of the catalog, or a folder with one.", "--base")]
    data: Annotated[tuple[Path, ...], Doc("A folder with train.jsonl (and test.jsonl); may be repeated.")] = ()
    recipe: Annotated[Path | None, Doc("A recipe in JSON, instead of --data.")] = None
    data_root: Annotated[Path, Doc("Where the data folders lie.")] = Path()
    name: Annotated[str | None, Doc("What to call the expert; else as the folder.")] = None
    domain: Annotated[str, Doc("The domain of its text.")] = "general"
    rename: Annotated[tuple[str, ...], Doc("Call a label otherwise: place=location.")] = ()
    keep: Annotated[tuple[str, ...], Doc("Keep this label; may be repeated; else all.")] = ()
    named_only: Annotated[bool, Doc("Leave out mentions without a capitalised word.")] = False
    fields: Annotated[dict[str, Any], Doc("A field of the recipe: examples=2000, rank=8, seed=1 …", "--set")] = field(
        default_factory=dict
    )
    base_repo: Annotated[str | None, Doc("The base's name on the Hub, if --base is a folder.")] = None
    repo: Annotated[str, Doc("The expert's name on the Hub, for its card.")] = ""
    device: Annotated[str, Doc("auto, cpu, cuda or mps.")] = "auto"
    dtype: Annotated[str, Doc("auto, float32 or bfloat16; auto: bfloat16 where the hardware has it.")] = "auto"
    test_sentences: Annotated[int, Doc("Of each test split, to measure on.", minimum=0)] = 200
