"""The Python API, for scripts and notebooks.

It searches, adds, pulls, and removes experts, and it selects, merges, predicts, evaluates, and pushes. For the
other steps, use the commands `choose`, `describe`, `outdated`, `update`, `train`, and `jobs`.

import sam_hub

hub = sam_hub.SamHub()
target = hub.create_target("articles", texts="texts/", labels=["person", "organization"])
ner = target.merge(target.select(k=3))
ner.predict_entities("Angela Merkel led the CDU.")
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, overload

from sam_hub.errors import UsageError
from sam_hub.ner.text import Entity, Sentence
from sam_hub.progress import SILENT, BarReporter, Reporter
from sam_hub.selection.label_matching import LabelMatch
from sam_hub.services.context import AppContext
from sam_hub.services.experts import AddedExpert, run_add, run_pull, run_removal, search_hub
from sam_hub.services.merged_ner import load_pretrained, load_target_models
from sam_hub.services.merges import run_merges
from sam_hub.services.options import (
    AddOptions,
    MergeOptions,
    PullOptions,
    PushOptions,
    RemovalOptions,
    Rule,
    SearchOptions,
    SelectOptions,
    TargetOptions,
    Types,
    copied,
    options_from,
)
from sam_hub.services.push import PushOutcome, run_push
from sam_hub.services.selection import SelectionOutcome, latest_rankings, run_selection
from sam_hub.services.targets import run_create_target

if TYPE_CHECKING:
    import pandas

    from sam_hub.catalog.tables import Expert
    from sam_hub.evaluation.merged_models import MergedModels
    from sam_hub.hub.search import FoundModel
    from sam_hub.ner.scoring import Scores
    from sam_hub.selection.ranking import RankingChoice

__all__ = ["Entity", "EntityDict", "EntityList", "MergedNER", "RankedExpert", "SamHub", "Selection", "Target"]

# Light backgrounds on which dark text is easy to read.
_COLORS = ("#aed6f1", "#abebc6", "#f9e79f", "#f5b7b1", "#d7bde2", "#edbb99", "#a3e4d7", "#d5d8dc")


class EntityDict(TypedDict):
    """An entity: ``text[start:end]`` of the text as it was given, and its label."""

    start: int
    end: int
    text: str
    label: str


class EntityList(list[EntityDict]):
    """The entities of one text, in the order of the text. A notebook shows them in color."""

    def __init__(self, entities: Iterable[EntityDict], text: str) -> None:
        super().__init__(entities)
        self.text = text

    def _repr_html_(self) -> str:
        pieces, at = [], 0
        for entity in self:
            color = _COLORS[sum(entity["label"].encode()) % len(_COLORS)]
            pieces.append(escape(self.text[at : entity["start"]]))
            pieces.append(
                f'<mark style="background:{color};color:#1b2631;padding:.1em .3em;border-radius:.3em">'
                f"{escape(entity['text'])} <small><b>{escape(entity['label'])}</b></small></mark>"
            )
            at = entity["end"]
        pieces.append(escape(self.text[at:]))
        return f'<div style="line-height:2;white-space:pre-wrap">{"".join(pieces)}</div>'


class EntityLists(list[EntityList]):
    """The entities of several texts, one `EntityList` for each."""

    def _repr_html_(self) -> str:
        return "".join(entities._repr_html_() for entities in self)


class SamHub:
    """A home folder with its catalog and its Hub: the same as those of the command line.

    Args:
        home: the folder for everything that sam-hub keeps. Default: ``SAM_HUB_HOME``, or the platform's data folder.
        endpoint: address of the Hub, or "embedded" for a Hub in the home folder. Default: ``HF_ENDPOINT``.
        token: Hub token. Default: ``HF_TOKEN``, or the token that `hf auth login` stored.
        progress: show progress bars.
        settings: other settings by name, such as ``device="cuda"`` or ``offline=True``.

    Errors are subclasses of `sam_hub.errors.SamHubError`, and say what to do. `CatalogError`: the catalog does not have
    it. `InputError`: texts, labels, or experts can't be used. `UsageError`: wrong options. The others are
    `UnusableModel`, `DiskFull`, and, for the Hub, `NotFoundOnHub` and `HubError`.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        endpoint: str | None = None,
        token: str | None = None,
        progress: bool = True,
        **settings: Any,
    ) -> None:
        self._context = _context(home, endpoint, token, settings)
        self._reporter: Reporter = BarReporter(leave=True) if progress else SILENT

    def __repr__(self) -> str:
        return f"SamHub(home={str(self._context.settings.home)!r}, endpoint={self._context.settings.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalog."""
        self._context.__exit__()

    # --- experts -------------------------------------------------------------------------------------------

    def search(
        self, text: str = "", *, labels: Sequence[str] = (), limit: int = 30, **filters: Any
    ) -> list[FoundModel]:
        """Search the Hub for experts.

        Args:
            limit: maximum number of results. 0 for all.
            filters: ``author``, ``base``, ``library``, ``license``, or ``sort``, as in `sam-hub search`.
        """
        values = {"text": text, "labels": labels, "limit": limit, **filters}
        return search_hub(self._context, options_from(SearchOptions, values))

    def add(self, *repos: str, **overrides: Any) -> list[AddedExpert]:
        """Add experts from the Hub to the catalog, with their current commits. Weights are not downloaded.

        Args:
            overrides: ``revision``, and, if the repository does not name them, ``labels``, ``base``, ``domain``, or
                ``prompt_format``.
        """
        options = options_from(AddOptions, {"repos": repos, **overrides})
        return list(run_add(self._context, options, self._reporter).experts)

    def pull(self, *experts: str) -> None:
        """Download experts of the catalog, and the base that they need."""
        for expert in experts:
            run_pull(self._context, PullOptions(expert), self._reporter)

    def experts(self, text: str = "", *, labels: Sequence[str] = (), base: str = "") -> list[Expert]:
        """Return the matching experts of the catalog, by name.

        Args:
            text: words in the name, the domain, or a label.
            labels: entity types. The expert must cover all of them.
            base: repository of the base.
        """
        from sam_hub.catalog.experts import list_experts
        from sam_hub.catalog.queries import ExpertQuery

        return list_experts(self._context.catalog, ExpertQuery(text, labels=tuple(labels), base=base))

    def remove(self, expert: str) -> None:
        """Remove an expert, its files, and its predictions. The Hub keeps its copy."""
        run_removal(self._context, RemovalOptions(expert), self._reporter)

    # --- targets -------------------------------------------------------------------------------------------

    def create_target(
        self,
        name: str,
        texts: Sequence[str] | str | Path,
        labels: Sequence[str],
        *,
        gold: str | Path | None = None,
        split: bool = False,
        replace: bool = False,
    ) -> Target:
        """Create a target: raw text and entity types.

        Args:
            texts: sentences, or the path of a file or folder of text.
            gold: a file of labeled sentences, used only for evaluation.
            split: split running text into sentences.
            replace: replace a target of this name.
        """

        with tempfile.TemporaryDirectory() as folder:
            corpus = texts if isinstance(texts, str | Path) else Path(folder, "texts.jsonl")
            if not isinstance(texts, str | Path):
                lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
                Path(corpus).write_text("\n".join(lines), encoding="utf-8")
            given = {"name": name, "corpus": corpus, "labels": labels, "gold": gold, "split": split, "replace": replace}
            options = options_from(TargetOptions, given)
            return Target(self, run_create_target(self._context, options, self._reporter).name)

    def target(self, name: str) -> Target:
        """Return a target of the catalog."""
        from sam_hub.catalog.targets import get_target

        return Target(self, get_target(self._context.catalog, name).name)

    def targets(self) -> list[Target]:
        """Return the targets of the catalog, by name."""
        from sam_hub.catalog.targets import list_targets

        return [Target(self, row.name) for row in list_targets(self._context.catalog)]


def _context(
    home: str | Path | None, endpoint: str | None, token: str | None, settings: Mapping[str, Any]
) -> AppContext:
    from sam_hub.config import load_settings

    given = {"home": home, "endpoint": endpoint, "token": token, **settings}
    return AppContext(load_settings(**{name: value for name, value in given.items() if value is not None}))


class Target:
    """A domain without labels: raw text and entity types. Made by `SamHub.create_target`."""

    def __init__(self, hub: SamHub, name: str) -> None:
        self._hub = hub
        self.name = name

    def __repr__(self) -> str:
        return f"Target({self.name!r}, labels={list(self.labels)})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types."""
        return tuple(self._row().labels)

    def select(self, k: int | str = 3, *, experts: Sequence[str] = (), **options: Any) -> Selection:
        """Rank the experts on disk by similarity and by votes, and choose the best.

        Args:
            k: number of experts that each ranking chooses. "auto": determined from the votes.
            experts: rank only these experts. Default: all on disk.
            options: other options of `sam-hub select`, such as ``sample=60`` or ``by="sampling"``.
        """
        chosen = options_from(SelectOptions, {"target": self.name, "k": k, "experts": experts, **options})
        return Selection(run_selection(self._hub._context, chosen, self._hub._reporter))

    def selection(self) -> Selection:
        """Return the latest selection."""
        outcome = latest_rankings(self._hub._context, self.name)
        if not outcome.rankings:
            raise UsageError(f"{self.name} has no selection yet", "Call select() first.")
        return Selection(outcome)

    def merge(self, selection: Selection | None = None, **options: Any) -> MergedNER:
        """Merge the experts of a selection: one model for each ranking. A merge that is on disk is not made again.

        A merge that is worse than the best of its experts, by votes on the target's sample, is rejected. Then fewer
        experts and other weights are tried, and at last the best expert alone. ``validate=False`` skips this. If no
        expert fits, or all are worse than the untuned base, the base answers, and a warning says so.

        Args:
            selection: the latest selection of this target. Default: the same.
            options: those of `sam-hub merge`, such as ``method="linear"``. ``parameters={"density": 0.5}`` is
                `--set density=0.5`, and ``weights=(1, 0.5)`` is `--weight 1 --weight 0.5`. ``search=True`` searches for
                the best experts, weights, density, and method by votes.

        Raises:
            UsageError: an option is invalid, or the selection is not the latest of this target.
            UnusableModel, DiskFull: the experts can't be merged.
        """
        if selection is not None and selection.chosen != self.selection().chosen:
            raise UsageError(
                f"This is not the latest selection of {self.name}", "Call select() again, or merge() without it."
            )
        choice = options_from(MergeOptions, {"target": self.name, **options})
        context, reporter = self._hub._context, self._hub._reporter
        outcome = run_merges(context, choice, reporter)
        for merge in outcome.merges:
            for problem in merge.problems or ():
                warnings.warn(f"The merge {merge.name} failed its sanity check: {problem}", stacklevel=2)
            for line in merge.rejected:
                warnings.warn(f"Rejected {merge.name}: {line}", stacklevel=2)
        if outcome.base_answers:
            warnings.warn(outcome.base_answers, stacklevel=2)
        return self.ner()

    def ner(self, *, rule: str = "auto", types: str = "auto") -> MergedNER:
        """Return the merged models of this target, or the untuned base if no expert fits.

        Args:
            rule: how to combine the entities of both models: "auto", "union", "intersection", "first", or "second".
                "auto" is the union, or one model alone if it is as good by the votes on the sample.
            types: who assigns the types: "auto", "model", or "base".

        Raises:
            CatalogError: there is no merge for this target yet.
        """
        from sam_hub.evaluation.systems import sam_systems

        context, reporter = self._hub._context, self._hub._reporter
        sam_systems(context.catalog, self._row(), rule, types)
        return MergedNER(
            lambda: load_target_models(context, self.name, Rule(rule), Types(types), reporter), reporter, self
        )

    def _row(self) -> Any:
        from sam_hub.catalog.targets import get_target

        return get_target(self._hub._context.catalog, self.name)


@dataclass(frozen=True)
class RankedExpert:
    """An expert's place in a ranking.

    ``score``: the cosine to the target's text, or the F1 against the others' votes, with its 95% interval; None if
    it has no score. ``covers``: the target's labels that it was trained on. ``soft``: those of them that it was trained
    on by another name. ``note``: why it was not chosen, if there is a reason.
    """

    expert: str
    score: float | None
    low: float | None
    high: float | None
    covers: tuple[str, ...]
    chosen: bool
    note: str
    soft: tuple[LabelMatch, ...] = ()


class Selection:
    """Two rankings of experts for a target, with those that were chosen from each. A notebook shows a table."""

    def __init__(self, outcome: SelectionOutcome) -> None:
        self._outcome = outcome

    @property
    def target(self) -> str:
        """The name of the target."""
        return self._outcome.target

    @property
    def by_similarity(self) -> tuple[RankedExpert, ...]:
        """The experts by the similarity of their texts, best first. Empty if there is no such ranking."""
        return _ranked(self._outcome.rankings.get("similarity"))

    @property
    def by_sampling(self) -> tuple[RankedExpert, ...]:
        """The experts by their F1 against the others' votes, best first. Empty if there is no such ranking."""
        return _ranked(self._outcome.rankings.get("sampling"))

    @property
    def chosen(self) -> dict[str, tuple[str, ...]]:
        """The chosen experts (repositories) by "similarity" and "sampling"."""
        return {method: tuple(sorted(choice.chosen)) for method, choice in self._outcome.rankings.items()}

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The target's labels that no expert covers."""
        return self._outcome.uncovered

    def to_records(self) -> list[dict[str, Any]]:
        """Return one record for each expert and ranking, with the fields of `RankedExpert` and "ranking"."""
        rankings = {"similarity": self.by_similarity, "sampling": self.by_sampling}
        return [{"ranking": name, **vars(row)} for name, rows in rankings.items() for row in rows]

    def to_frame(self) -> pandas.DataFrame:
        """Return the records as a pandas data frame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UsageError("pandas is not installed", "Run `pip install pandas`, or use to_records().") from error
        return pandas.DataFrame(self.to_records())

    def __repr__(self) -> str:
        lines = [f"Selection for {self.target}"]
        for name, rows in (("similarity", self.by_similarity), ("sampling", self.by_sampling)):
            if rows:
                width = max(len(row.expert) for row in rows)
                lines.append(f"by {name}:")
                lines += [
                    f"{'*' if row.chosen else ' '} {row.expert:{width}}  {_number(row.score):>6}  "
                    f"{', '.join(row.covers)}{f'  ({row.note})' if row.note else ''}"
                    for row in rows
                ]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        heads = ("ranking", "expert", "score", "95%", "covers", "chosen", "note")
        lines = [("th", heads), *(("td", _cells(**record)) for record in self.to_records())]
        rows = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) for tag, cells in lines)
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cells(ranking: str, expert: str, score: float | None, **row: Any) -> tuple[str, ...]:
    interval = f"{_number(row['low'])} to {_number(row['high'])}" if ranking == "sampling" else ""
    chosen = "yes" if row["chosen"] else ""
    return (ranking, expert, _number(score), interval, ", ".join(row["covers"]), chosen, row["note"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _ranked(choice: RankingChoice | None) -> tuple[RankedExpert, ...]:
    if choice is None:
        return ()
    return tuple(
        copied(RankedExpert, row, chosen=row.expert in choice.chosen, note=row.unfit or row.note)
        for row in choice.ranking.rows
    )


class MergedNER:
    """Merged models that find entities. Made by `Target.merge`, `Target.ner` or `MergedNER.from_pretrained`.

    Models are loaded at the first prediction, and stay in memory.
    """

    def __init__(
        self, load: Callable[[], MergedModels], reporter: Reporter = SILENT, target: Target | None = None
    ) -> None:
        self._load, self._reporter, self._target = load, reporter, target

    @cached_property
    def _models(self) -> MergedModels:
        return self._load()

    def __repr__(self) -> str:
        name = self._target.name if self._target else ", ".join(map(str, self._models.folders))
        return f"MergedNER({name!r})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types that it finds."""
        return tuple(self._models.recipe.labels)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str = "main",
        base: str | Path | None = None,
        home: str | Path | None = None,
        endpoint: str | None = None,
        token: str | None = None,
        progress: bool = True,
        **settings: Any,
    ) -> MergedNER:
        """Load what `push_to_hub` or `sam-hub push` pushed: both models, and how to combine their entities.

        This needs no catalog. Weights are downloaded to the home folder, and checked against the Hub's checksums.

        Args:
            name: a repository on the Hub, or a folder.
            base: a folder with the base of the merge. By default, it is downloaded if it is needed.
            settings: as for `SamHub`.

        Raises:
            UnusableModel: the repository has no merge of sam-hub.
            NotFoundOnHub, HubError, DiskFull: it can't be downloaded.
        """
        reporter: Reporter = BarReporter(leave=True) if progress else SILENT
        context = _context(home, endpoint, token, settings)
        folder = Path(base).expanduser() if base else None
        models = load_pretrained(context, str(name), revision, folder, reporter)
        return cls(lambda: models, reporter)

    @overload
    def predict_entities(self, texts: str, *, batch_size: int = 32) -> EntityList: ...  # type: ignore[overload-overlap]

    @overload
    def predict_entities(self, texts: Sequence[str], *, batch_size: int = 32) -> EntityLists: ...

    def predict_entities(self, texts: str | Sequence[str], *, batch_size: int = 32) -> EntityList | EntityLists:
        """Find the entities of one text or of several texts.

        Args:
            texts: a sentence, or several sentences.
            batch_size: number of texts between two steps of the progress bar.

        Returns:
            For each text its entities, ``{"start", "end", "text", "label"}``, in character offsets of your text.
            ``end`` is exclusive.
        """
        if isinstance(texts, str):
            return self._predict([texts])[0]
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, not {batch_size}", "Use 1 or more.")
        answers = EntityLists()
        for start in range(0, len(texts), batch_size):
            answers += self._predict(texts[start : start + batch_size])
            self._reporter.progress("predict", len(answers), len(texts), "texts")
        return answers

    def _predict(self, texts: Sequence[str]) -> list[EntityList]:
        asked = [number for number, text in enumerate(texts) if text.strip()]
        entities = self._models.predict([Sentence(texts[number]) for number in asked])
        rows = dict(zip(asked, entities, strict=True))
        return [
            EntityList(
                (EntityDict(start=e.start, end=e.end, text=e.text, label=e.label) for e in rows.get(number, ())), text
            )
            for number, text in enumerate(texts)
        ]

    def evaluate(self, gold: str | Path | Sequence[Mapping[str, Any]]) -> Scores:
        """Score the predictions on labeled sentences, strictly: span and type must both be right (seqeval, IOB2).

        Args:
            gold: a file of labeled sentences, or records such as ``{"text": "…", "entities": [{"start": 0, "end": 5,
                "label": "person"}]}``. Entities with other labels are left out.

        Returns:
            Precision, recall, F1 and support (the number of gold entities), in total and by type.

        Raises:
            InputError: there are no labels, or none of those of this model.
        """
        from sam_hub.evaluation.systems import check_gold
        from sam_hub.ner.readers import read_corpus, read_records
        from sam_hub.ner.scoring import score

        sentences = read_corpus(Path(gold)) if isinstance(gold, str | Path) else read_records(gold)
        source = str(gold) if isinstance(gold, str | Path) else "the records"
        checked = check_gold(sentences, self.labels, source)
        return score(checked, self._models.predict([s.without_labels() for s in checked], self._reporter))

    def push_to_hub(self, repo: str, *, public: bool = False, by: str = "sampling", **options: Any) -> PushOutcome:
        """Push the merged models, their card, and how to combine their entities, in one commit.

        Args:
            repo: ``owner/name``.
            public: create a public repository. Default: private.
            by: the model at the top of the repository: "sampling" or "similarity".
            options: ``force``, ``adapter``, or ``pull_request`` (`--create-pr` of `sam-hub push`).

        Raises:
            UsageError: the models were loaded from a Hub, and have no target.
            UnusableModel: the merge failed its sanity check or its validation.
            NotFoundOnHub, HubError: the Hub failed, or the token has no write access.
        """
        if self._target is None:
            raise UsageError("These models have no target in the catalog", "Upload their folder with huggingface_hub.")
        where = {"target": self._target.name, "repo": repo, "by": by, "public": public}
        choice = options_from(PushOptions, {**where, **options})
        return run_push(self._target._hub._context, choice, self._reporter)
