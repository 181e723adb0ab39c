"""The options of each service: one frozen dataclass, whose fields say what they mean, for the command line, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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
VoteWeights = StrEnum("VoteWeights", ["uniform", "similarity", "agreement"])
# How two models' entities become one answer, and whose types they have: the merged models', or the untuned base's.
Rule = StrEnum("Rule", ["auto", "union", "intersection", "first", "second"])
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

    name, options = kind.__name__, [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - set(options)):
        raise UsageError(f"{name} has no option '{unknown[0]}'", f"Use one of: {', '.join(options)}.")
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UsageError(f"Invalid value of '{where}' in {name}: {problem['msg']}", "Correct the value.") from error


class JobOptions:
    """Options of a service that can run as a job of a kind (see `sam_hub.jobs.kinds`), with a title for lists."""

    KIND: ClassVar[str]
    TITLE: ClassVar[str]

    def __init_subclass__(cls, kind: str, title: str = "") -> None:
        cls.KIND, cls.TITLE = kind, title

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, Path):  # a job's process may work in another folder
                object.__setattr__(self, name, value.expanduser().absolute())

    @property
    def title(self) -> str:
        """A few words for lists."""
        return self.TITLE.format(self)

    def check(self) -> None:
        """Refuse invalid options before a job is created or a model runs. Raises UsageError."""


Corpus = Annotated[Path, Doc("A .txt, .conll, or .jsonl file, or a folder of them.")]
Free = Annotated[bool, Doc("Decode without the grammar.")]
Split = Annotated[bool, Doc("Split running text into sentences.")]
Combine = Annotated[
    Rule,
    Doc(
        "How to combine the entities of both models. auto: the union, or one model alone if it is as good by the votes "
        "on the sample."
    ),
]
WhoseTypes = Annotated[
    Types,
    Doc(
        "Who assigns the types: the merged models (model), the untuned base (base), or auto (the base, if one of the "
        "labels is new to all merged experts)."
    ),
]


@dataclass(frozen=True)
class SearchOptions:
    """What to search the Hub for."""

    text: Annotated[str, Doc("Words in the repository's name.", "text")] = ""
    base: Annotated[str | None, Doc("The base model's repository.")] = None
    author: Annotated[str | None, Doc("The owner on the Hub.")] = None
    labels: Annotated[tuple[str, ...], Doc("An entity type that it covers. Repeat for several.", "--label")] = ()
    library: Annotated[str | None, Doc("The library that loads it: peft or transformers.")] = None
    license: Annotated[str | None, Doc("The license, such as apache-2.0.")] = None
    sort: Annotated[str, Doc("Sort by last_modified, downloads, likes, or created_at.")] = "last_modified"
    limit: Annotated[int, Doc("Maximum number of results. 0 for all.", minimum=0)] = 30


@dataclass(frozen=True)
class AddOptions(JobOptions, kind="add"):
    """Repositories to add, pinned to the commit of ``revision``; the other fields replace what they say themselves."""

    repos: Annotated[tuple[str, ...], Doc("Repositories (owner/name).")]
    revision: Annotated[str, Doc("A branch, tag, or commit.")] = "main"
    labels: Annotated[
        tuple[str, ...], Doc("Entity types, if the repository does not name them. Repeat for several.", "--label")
    ] = ()
    base: Annotated[str | None, Doc("The base, if the repository does not name it.")] = None
    domain: Annotated[str | None, Doc("The domain, if the repository does not name it.")] = None
    prompt_format: Annotated[str | None, Doc("b2ner or json, if the repository does not name it.")] = None

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"add {', '.join(self.repos)}"


@dataclass(frozen=True)
class UpdateOptions(JobOptions, kind="update"):
    """Experts to move to the Hub's head."""

    experts: Annotated[tuple[str, ...], Doc("Experts. Default: all.", "names")] = ()

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"update {', '.join(self.experts) or 'all experts'}"


@dataclass(frozen=True)
class PullOptions(JobOptions, kind="pull", title="pull {0.expert}"):
    """An expert to fetch: ``owner/name``, the end of a name, ``repo@commit``, or an id."""

    expert: str


@dataclass(frozen=True)
class RemovalOptions(JobOptions, kind="remove", title="remove {0.expert}"):
    """An expert to remove."""

    expert: str


@dataclass(frozen=True)
class DescribeOptions(JobOptions, kind="describe", title="describe {0.expert}"):
    """An expert to describe, by a corpus or by what its repository, data sets and card lead to."""

    expert: Annotated[str, Doc("A target, or an expert.", "name")]
    corpus: Annotated[
        Path | None, Doc("Text of the expert's domain, used instead of its repository, data sets, and card.")
    ] = None
    again: Annotated[bool, Doc("Make the descriptor again from the repository, data sets, or card.")] = False


@dataclass(frozen=True)
class ScanOptions(JobOptions, kind="scan", title="scan {0.corpus.name}"):
    """A corpus to look through.

    Args:
        gold: labeled sentences. They are left out of the corpus, if they are in its folder.
    """

    corpus: Corpus
    split: Split = False
    gold: Path | None = None


@dataclass(frozen=True)
class TargetOptions(JobOptions, kind="target", title="create target {0.name}"):
    """A target to create."""

    name: Annotated[str, Doc("Name of the target.")]
    corpus: Corpus
    labels: Annotated[tuple[str, ...], Doc("Entity types, separated by commas.", "--labels", separator=",")]
    gold: Annotated[Path | None, Doc("Labeled sentences, used only for evaluation.")] = None
    split: Split = False
    replace: Annotated[bool, Doc("Replace a target of this name.")] = False


@dataclass(frozen=True)
class SelectOptions(JobOptions, kind="select", title="rank experts for {0.target}"):
    """How to rank experts for a target, and how many to choose."""

    target: Annotated[str, Doc("The target's name.")]
    by: Annotated[By, Doc("The ranking to make: similarity, sampling, or both.")] = By.both
    k: Annotated[int | str, Doc("Number of experts. auto: determined from the votes.")] = 3
    sample: Annotated[int, Doc("Sentences that every expert predicts on: 20 to 500.")] = 40
    votes: Annotated[VoteScheme, Doc("Whether an expert's own votes count: leave-self-out (no) or plain (yes).")] = (
        VoteScheme.leave_self_out
    )
    weights: Annotated[
        VoteWeights,
        Doc("Weight of a vote: uniform, by similarity to the target, or by agreement with the other experts."),
    ] = VoteWeights.uniform
    free: Free = False
    threshold: Annotated[float, Doc("Share of the voters that must agree on an entity.")] = 0.25
    min_vote_ratio: Annotated[
        float, Doc("Minimum F1 by votes, relative to the best, for a choice by similarity. 0 for no minimum.")
    ] = 0.67
    seed: Annotated[int, Doc("Seed of the sample and the bootstrap.")] = 0
    experts: Annotated[
        tuple[str, ...], Doc("Rank only these experts. Default: all on disk. Repeat for several.", "--expert")
    ] = ()
    strict_labels: Annotated[
        bool, Doc("An expert covers a label only by exactly the same name: no plurals, synonyms, or similar names.")
    ] = False
    allow_uninformed: Annotated[bool, Doc("Also choose experts that cover none of the labels.")] = False

    @property
    def voting(self) -> VoteOptions:
        """How votes are counted. Raises UsageError if an option is invalid."""
        from sam_hub.selection.votes import VoteOptions

        return VoteOptions(threshold=self.threshold, votes=str(self.votes), seed=self.seed, weights=str(self.weights))

    def check(self) -> None:
        """Refuse a sample that is too small or too large, and an invalid k, ratio, or kind of votes."""
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
    experts: Annotated[tuple[str, ...], Doc("The experts to merge.", "expert")]
    by: Annotated[By, Doc("The ranking whose choice they replace.")] = By.both


@dataclass(frozen=True)
class MergeOptions(JobOptions, kind="merge"):
    """What to merge, how, and what else to make of it."""

    target: Annotated[str | None, Doc("The target whose selection to merge.", "target")] = None
    by: Annotated[By, Doc("Whose choice to merge: similarity, sampling, or both.")] = By.both
    experts: Annotated[tuple[str, ...], Doc("Merge these experts instead. Repeat for several.", "--expert")] = ()
    method: Annotated[str, Doc("A mergekit method.")] = DEFAULT_METHOD
    parameters: Annotated[
        dict[str, Any], Doc("A parameter of the method, such as density=0.5. Repeat for several.", "--set")
    ] = field(default_factory=dict)
    weights: Annotated[
        tuple[float, ...], Doc("The weight of an expert. Repeat for each expert, in their order.", "--weight")
    ] = ()
    by_score: Annotated[bool, Doc("Weight each expert by its score in the ranking that chose it.")] = False
    seed: Annotated[int, Doc("Seed for methods that draw random numbers.")] = 0
    stable: Annotated[
        bool, Doc("Keep equally large changes in their order. Faster, but not bit for bit the same as mergekit-yaml.")
    ] = False
    search: Annotated[
        bool,
        Doc(
            "Search for the best merge by votes: which experts, weights, density, and method. Chosen on one half of "
            "the sample, and confirmed on the other."
        ),
    ] = False
    as_adapter: Annotated[bool, Doc("Also write each merge as one LoRA adapter.")] = False
    rank: Annotated[int, Doc("Maximum rank of the adapter. 0: the sum of the experts' ranks.", minimum=0)] = 0
    leave_one_out: Annotated[bool, Doc("Also merge without each expert, and show how the scores change.")] = False
    validate: Annotated[
        bool,
        Doc(
            "Compare the merge with its experts by votes on the target's sample. If it is worse, try fewer experts and "
            "other weights.",
            "--validate/--no-validate",
        ),
    ] = True
    timeout: Annotated[float, Doc("Stop a merge after this many seconds. 0: never.", minimum=0)] = 0

    @property
    def title(self) -> str:
        """A few words for lists."""
        return f"merge for {self.target}" if self.target else f"merge {', '.join(self.experts)}"

    def check(self) -> None:
        """Refuse weights that are given twice, and contributions of experts that were named or weighted."""
        if self.by_score and (self.weights or self.experts):
            raise UsageError("--by-score can't be combined with --weight or --expert", "Use only one.")
        own = self.target is not None and not (self.experts or self.weights or self.by_score)
        if self.leave_one_out and not own:
            raise UsageError(
                "--leave-one-out needs a target, without --expert, --weight, or --by-score",
                "Name a target, and remove these options.",
            )
        if self.search and (not own or self.leave_one_out or not self.validate):
            raise UsageError(
                "--search needs a target, without --expert, --weight, --by-score, --leave-one-out, or --no-validate",
                "Name a target, and remove these options.",
            )

    @property
    def recipe(self) -> dict[str, Any]:
        """What `sam_hub.merging.service.plan_for` takes beside the experts and their weights."""
        return {name: getattr(self, name) for name in ("method", "parameters", "seed", "stable")}


@dataclass(frozen=True)
class PredictionOptions:
    """Whose merged models predict, and how."""

    target: Annotated[str, Doc("The target whose merged models to use.")]
    corpus: Corpus
    rule: Combine = Rule.auto
    types: WhoseTypes = Types.auto
    free: Free = False
    split: Split = False


@dataclass(frozen=True)
class EvaluationOptions(JobOptions, kind="evaluate", title="evaluate {0.target}"):
    """What to score on labeled sentences."""

    target: Annotated[str, Doc("The target's name.")]
    gold: Annotated[Path | None, Doc("Labeled sentences. Default: those of the target.")] = None
    rule: Combine = Rule.auto
    types: WhoseTypes = Types.auto
    free: Free = False
    singles: Annotated[bool, Doc("Also evaluate each expert and the untuned base.")] = False


@dataclass(frozen=True)
class PushOptions(JobOptions, kind="push", title="push {0.repo}"):
    """Which of a target's merges to push, and where to."""

    target: Annotated[str, Doc("The target of the merged models.")]
    repo: Annotated[str, Doc("The repository: owner/name.", "--repo")]
    by: Annotated[Method, Doc("The model at the top of the repository.")] = Method.sampling
    public: Annotated[bool, Doc("Create a public repository. Default: private.")] = False
    force: Annotated[bool, Doc("Also push a merge that failed its sanity check or validation.")] = False
    adapter: Annotated[bool, Doc("Push the adapter that `merge --as-adapter` wrote.")] = False
    pull_request: Annotated[bool, Doc("Open a pull request instead.", "--create-pr")] = False


@dataclass(frozen=True)
class TrainOptions:
    """What to train on, and where to write the expert."""

    out: Annotated[Path, Doc("The folder for the expert, or for the experts of a queue.", "--out")]
    base: Annotated[str, Doc("A base in the catalog, or a folder.", "--base")]
    data: Annotated[
        tuple[Path, ...], Doc("A folder with train.jsonl, and test.jsonl if you have one. Repeat for several.")
    ] = ()
    recipe: Annotated[Path | None, Doc("A JSON recipe, instead of --data and the options of the recipe.")] = None
    queue: Annotated[
        Path | None, Doc("A folder of recipes: train them one after another, except those that are finished.")
    ] = None
    data_root: Annotated[Path, Doc("The folder of the data folders.")] = Path()
    name: Annotated[str | None, Doc("Name of the expert. Default: the name of the folder.")] = None
    domain: Annotated[str, Doc("The domain of its text.")] = "general"
    rename: Annotated[tuple[str, ...], Doc("Rename a label: place=location. Repeat for several.")] = ()
    keep: Annotated[tuple[str, ...], Doc("Keep only these labels. Repeat for several.")] = ()
    named_only: Annotated[bool, Doc("Leave out mentions without a capitalized word.")] = False
    fields: Annotated[
        dict[str, Any],
        Doc("A field of the recipe, such as examples=2000, rank=8, or seed=1. Repeat for several.", "--set"),
    ] = field(default_factory=dict)
    base_repo: Annotated[str | None, Doc("Name of the base on the Hub, if --base is a folder.")] = None
    repo: Annotated[str, Doc("Name of the expert on the Hub, for its card.")] = ""
    device: Annotated[str, Doc("auto, cpu, cuda, or mps.")] = "auto"
    dtype: Annotated[str, Doc("auto, float32, or bfloat16. auto: bfloat16 if the hardware supports it.")] = "auto"
    threads: Annotated[int, Doc("Number of CPU threads. 0: chosen by PyTorch.", minimum=0)] = 0
    test_sentences: Annotated[int, Doc("Maximum number of test sentences per data set.", minimum=0)] = 200
