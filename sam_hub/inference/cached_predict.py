"""Ask models for entities: from the catalog what was asked before, the rest on one loaded base."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of, experts_at, folder_on_disk, list_bases
from sam_hub.catalog.predictions import (
    CacheKey,
    Predictions,
    Question,
    find_sentences,
    get_run,
    prompt_hash,
    put_new,
    put_run,
)
from sam_hub.config import Settings
from sam_hub.errors import (
    CatalogError,
    DiskFull,
    InputError,
    Interrupted,
    SamHubError,
    UnusableModel,
    UsageError,
    of_the_system,
)
from sam_hub.inference.models import (
    LoadedModel,
    LostBase,
    ModelLoader,
    choose_device,
    choose_dtype,
    first_line,
    with_adapter,
)
from sam_hub.inference.prediction import SentenceAnswer, predict
from sam_hub.ner.formats import FORMATS, get_format
from sam_hub.ner.text import Sentence, corpus_hash
from sam_hub.progress import SILENT, Reporter

DEFAULT_FORMAT = "b2ner"
# Parts of the key under which answers are stored. Raise the decoder's version when decoding changes answers.
DECODER, ENGINE = "greedy-2", "local"
_OF_BAD_FILES = (ValueError, LookupError, RuntimeError, TypeError, AttributeError, ArithmeticError, re.error)


@dataclass(frozen=True)
class Model:
    """A model that can predict.

    Attributes:
        name: its name in tables.
        kind: the catalog table of its row.
        id: of that row.
        folder: of the full model; for an adapter, of its base.
        adapter: the adapter's folder, if it is one.
        base_commit: the commit of the base on which an adapter runs.
    """

    name: str
    kind: tables.ModelKind
    id: int
    folder: Path
    adapter: Path | None = None
    prompt_format: str = DEFAULT_FORMAT
    base_commit: str = ""


def expert_model(catalog: Catalog, expert: tables.Expert) -> Model:
    """Return an expert of the catalog as a model that can predict."""
    folder = folder_on_disk(expert.path, expert.repo)
    form = expert.prompt_format or DEFAULT_FORMAT
    if form not in FORMATS:
        raise InputError(
            f"{expert.repo} was trained with the prompt format '{form}', which this version does not know",
            f"Update sam-hub, or leave this expert out. Known: {', '.join(FORMATS)}.",
        )
    if expert.kind == "full":
        return Model(expert.repo, "expert", expert.id, folder, None, form)
    base = base_of(catalog, expert)
    return Model(
        expert.repo, "expert", expert.id, folder_on_disk(base.path, base.repo, expert.repo), folder, form, base.commit
    )


def base_model(base: tables.Base, prompt_format: str = DEFAULT_FORMAT) -> Model:
    """Return an untuned base as a model that can predict."""
    return Model(base.repo, "base", base.id, folder_on_disk(base.path, base.repo), None, prompt_format)


def merged_model(catalog: Catalog, merge: tables.Merge, name: str) -> Model:
    """Return a merged model as one that can predict."""
    return Model(name, "merge", merge.id, folder_on_disk(merge.path, name), None, format_of(catalog, merge))


def experts_of(catalog: Catalog, merge: tables.Merge) -> list[tables.Expert]:
    """Return the merged experts at the commits that were merged; those removed from the catalog are left out."""
    return experts_at(catalog, merge.refs)


def base_of_merge(catalog: Catalog, merge: tables.Merge) -> tables.Base:
    """Return the base of a merge."""
    repo, commit = (merge.recipe["base"][key] for key in ("repo", "commit"))
    for base in list_bases(catalog):
        if (base.repo, base.commit) == (repo, commit):
            return base
    raise InputError(
        f"The base of this merge, {repo} at {commit[:8]}, is not in the catalog",
        "Pull an expert of it, and merge again.",
    )


def format_of(catalog: Catalog, merge: tables.Merge) -> str:
    """Return the prompt format of a merged model, which is that of its experts."""
    formats = {expert.prompt_format or DEFAULT_FORMAT for expert in experts_of(catalog, merge)}
    if len(formats) > 1:
        raise InputError(
            f"The merged experts were trained with different prompt formats: {', '.join(sorted(formats))}",
            "Merge experts of one format.",
        )
    return next(iter(formats), DEFAULT_FORMAT)


def ask(
    catalog: Catalog,
    models: Sequence[Model],
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    *,
    settings: Settings,
    target_id: int | None = None,
    free: bool = False,
    reporter: Reporter = SILENT,
    on_failure: Callable[[str, SamHubError], object] | None = None,
    load: Callable[[Path], LoadedModel] | None = None,
) -> dict[str, Predictions]:
    """Return the prediction of every model on these sentences, by model name.

    Only answers that the catalog does not have are computed. Repeated sentences, and a model that is listed under two
    names, are computed once. Models that share a folder (a base and its adapters) run on one loaded base. Answers are
    stored as they come, so the next run continues where a killed one ended.

    Args:
        reporter: receives the number of answered sentences over all models, with the name of the running model.
        on_failure: called with the name of an expert that can't be loaded or run, and the error. The expert is left
            out of the result. Without it, the first such error is raised.
        load: loads full models, or has them in memory; by default, they are loaded as the settings say.
    """
    tasks: dict[Question, _Task] = {}
    by_name: dict[str, _Task] = {}
    for model in models:
        task = task_of(model, sentences, labels, settings, free)
        by_name[model.name] = tasks.setdefault(task.question, task)
    for task in tasks.values():
        task.run = get_run(catalog, task.question)
        task.missing = [] if task.run else _unanswered(catalog, task)
    total = sum(len(set(task.prompts)) for task in tasks.values())
    done = total - sum(len(task.missing) for task in tasks.values())
    if done == total:
        reporter.progress("kept predictions", total, total, "sentences")
    load = load or ModelLoader(device=settings.device, dtype=settings.dtype, threads=settings.threads)
    asking = _Asking(catalog, sentences, labels, load, free, reporter, total, done, on_failure is not None)
    waiting = [task for task in tasks.values() if task.missing]
    waiting.sort(key=lambda task: (str(task.model.folder), task.model.adapter is not None))
    for _, group in groupby(waiting, key=lambda task: task.model.folder):
        asking.run(list(group))
    predictions = {}
    for name, task in by_name.items():
        if task.failure is None:
            predictions[name] = task.run or _put_together(catalog, task, target_id)
        elif on_failure is not None:
            on_failure(name, task.failure)
    return predictions


@contextmanager
def apart(tell: Callable[[SamHubError], object] | None) -> Iterator[None]:
    """Isolate the failure of one expert from the others.

    Errors caused by the expert's own files are passed to ``tell``. Errors that concern all experts are raised: the
    catalog, a full disk, a lost base. If ``tell`` is None, all are.
    """
    from safetensors import SafetensorError

    if tell is None:
        yield
        return
    try:
        yield
    except (CatalogError, DiskFull, Interrupted, LostBase, UsageError):
        raise
    except SamHubError as error:
        tell(error)
    except OSError as error:
        failure = of_the_system(error)
        if isinstance(failure, DiskFull):
            raise
        tell(failure)
    except (SafetensorError, *_OF_BAD_FILES) as error:
        problem = f"its files can't be read as a model ({type(error).__name__}: {first_line(error)})"
        tell(UnusableModel(problem, "Pull it again; if that does not help, remove it."))


@dataclass
class _Task:
    """What one model is to predict: the whole question, and the hash of each sentence's prompt, in order.

    ``run`` is its stored result. ``missing`` are the numbers of the sentences that the model must be asked for.
    ``failure`` is why it could not be.
    """

    model: Model
    asked: CacheKey
    question: Question
    prompts: tuple[str, ...]
    run: Predictions | None = None
    missing: Sequence[int] = ()
    failure: SamHubError | None = None


def task_of(
    model: Model, sentences: Sequence[Sentence], labels: Sequence[str], settings: Settings, free: bool = False
) -> _Task:
    """Return what a model is to predict, with the keys under which the catalog stores the answers."""
    form = get_format(model.prompt_format)
    shared, decoding = form.shared(labels), _decoding(form.name, labels, settings, free)
    whole = f"{decoding} on {model.base_commit}" if model.base_commit else decoding
    return _Task(
        model,
        CacheKey(model.kind, model.id, model.base_commit, decoding),
        Question(model.kind, model.id, corpus_hash(sentences), form.name, tuple(labels), whole),
        tuple(prompt_hash(shared + form.question(sentence.text)) for sentence in sentences),
    )


def _decoding(form: str, labels: Sequence[str], settings: Settings, free: bool) -> str:
    """Return every setting that can change an answer in one string, with "auto" resolved."""
    # Two label sets can give the same prompt ("a, b" may be one label), but their answers are parsed differently.
    reading = hashlib.sha256(json.dumps([form, *labels]).encode()).hexdigest()[:8]
    return f"{DECODER} {ENGINE} {'free' if free else 'grammar'} {reading} {number_type(settings)}"


def number_type(settings: Settings) -> str:
    """Return the number type in which models run here, such as "float32", with "auto" resolved."""
    return str(choose_dtype(settings.dtype, choose_device(settings.device))).removeprefix("torch.")


def _unanswered(catalog: Catalog, task: _Task) -> list[int]:
    """Return the numbers of the sentences without a stored answer; one for each distinct text."""
    places = {prompt: number for number, prompt in enumerate(task.prompts)}
    kept = find_sentences(catalog, task.asked, places)
    return [number for prompt, number in places.items() if prompt not in kept]


def _put_together(catalog: Catalog, task: _Task, target_id: int | None) -> Predictions:
    """Combine the answers to all sentences to one stored prediction."""
    kept = find_sentences(catalog, task.asked, set(task.prompts))
    return put_run(catalog, task.question, [kept[prompt] for prompt in task.prompts], target_id)


@dataclass
class _Asking:
    """Runs models and stores their answers, of which there are ``done``. If ``apart``, an expert fails by itself."""

    catalog: Catalog
    sentences: Sequence[Sentence]
    labels: Sequence[str]
    load: Callable[[Path], LoadedModel]
    free: bool
    reporter: Reporter
    total: int
    done: int
    apart: bool

    def run(self, tasks: Sequence[_Task]) -> None:
        """Run models that share a folder on what they are missing, and free the model's memory."""
        first, end = tasks[0], self.done + sum(len(task.missing) for task in tasks)
        # If a full model fails, only its own expert fails; if a base fails, so do all of its adapters.
        own = len(tasks) == 1 and first.model.adapter is None
        with apart(self._border(first) if own else None):
            loaded = self.load(first.model.folder)
            for task in tasks:
                after = self.done + len(task.missing)
                with apart(self._border(task)), with_adapter(loaded, task.model.adapter) as ready:
                    self._answer(ready, task)
                self.done = after
        self.done = end

    def _border(self, task: _Task) -> Callable[[SamHubError], object] | None:
        return partial(setattr, task, "failure") if self.apart and task.model.kind == "expert" else None

    def _answer(self, loaded: LoadedModel, task: _Task) -> None:
        """Ask one model, and store each answer as it comes."""

        def keep(place: int, answer: SentenceAnswer) -> None:
            row = tables.SentencePrediction(
                **task.asked.columns,
                prompt_sha256=task.prompts[task.missing[place]],
                entities=[[e.start, e.end, e.text, e.label] for e in answer.entities],
                parse_failed=answer.parse_failed,
                misaligned=dict(answer.misaligned),
                seconds=answer.seconds,
            )
            put_new(self.catalog, [row])
            self.done += 1
            self.reporter.progress(task.model.name, self.done, self.total, "sentences")

        asked, form = [self.sentences[number] for number in task.missing], task.model.prompt_format
        predict(loaded, asked, self.labels, prompt_format=form, free=self.free, on_answer=keep)
