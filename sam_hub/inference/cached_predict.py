"""Ask models for entities: from the catalog what was asked before, the rest on one loaded base."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Self

from sam_hub.catalog import tables
from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import base_of, experts_at, list_bases
from sam_hub.catalog.predictions import (
    CacheKey,
    Predictions,
    Question,
    find_sentences,
    get_run,
    prompt_hash,
    put_run,
    put_sentences,
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
from sam_hub.inference.models import LostBase, choose_device, choose_dtype, first_line, load_model, with_adapter
from sam_hub.inference.prediction import MISALIGNED, SentenceAnswer, predict
from sam_hub.ner.formats import FORMATS, get_format
from sam_hub.ner.text import Sentence, corpus_hash
from sam_hub.progress import SILENT, Reporter

DEFAULT_FORMAT = "b2ner"
# Parts of the key under which answers are stored. Raise the decoder's version when decoding changes answers.
DECODER, ENGINE = "greedy-2", "local"
# Answers are written after one second or 100 answers. A killed process loses those that are not written yet.
SECONDS_BETWEEN, ANSWERS_AT_ONCE = 1.0, 100


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
    """Return an expert of the catalog as a model that can predict.

    Raises:
        InputError: the expert or its base is not on disk, or its prompt format is unknown.
    """
    folder = _on_disk(expert.path, expert.repo)
    form = expert.prompt_format or DEFAULT_FORMAT
    if form not in FORMATS:
        raise InputError(
            f"{expert.repo} was taught the prompt format '{form}', which is not known here",
            f"Update sam-hub, or leave this expert out. Known: {', '.join(FORMATS)}.",
        )
    if expert.kind == "full":
        return Model(expert.repo, "expert", expert.id, folder, None, form)
    base = base_of(catalog, expert)
    return Model(expert.repo, "expert", expert.id, _on_disk(base.path, base.repo), folder, form, base.commit)


def base_model(base: tables.Base, prompt_format: str = DEFAULT_FORMAT) -> Model:
    """Return an untuned base as a model that can predict."""
    return Model(base.repo, "base", base.id, _on_disk(base.path, base.repo), None, prompt_format)


def merged_model(catalog: Catalog, merge: tables.Merge, name: str) -> Model:
    """Return a merged model as one that can predict.

    Raises:
        InputError: it is not on disk, or its experts use different prompt formats.
    """
    return Model(name, "merge", merge.id, _on_disk(merge.path, name), None, format_of(catalog, merge))


def experts_of(catalog: Catalog, merge: tables.Merge) -> list[tables.Expert]:
    """Return the merged experts at the commits that were merged; those removed from the catalog are left out."""
    return experts_at(catalog, merge.refs)


def base_of_merge(catalog: Catalog, merge: tables.Merge) -> tables.Base:
    """Return the base of a merge.

    Raises:
        InputError: it is not in the catalog.
    """
    repo, commit = (merge.recipe["base"][key] for key in ("repo", "commit"))
    for base in list_bases(catalog):
        if (base.repo, base.commit) == (repo, commit):
            return base
    raise InputError(
        f"The base of this merge, {repo} at {commit[:8]}, is not in the catalog",
        "Pull an expert of it, and merge again.",
    )


def format_of(catalog: Catalog, merge: tables.Merge) -> str:
    """Return the prompt format of a merged model, which is that of its experts.

    Raises:
        InputError: the experts use different formats.
    """
    formats = {expert.prompt_format or DEFAULT_FORMAT for expert in experts_of(catalog, merge)}
    if len(formats) > 1:
        raise InputError(
            f"The merged experts were taught different prompt formats: {', '.join(sorted(formats))}",
            "Merge experts of one format.",
        )
    return next(iter(formats), DEFAULT_FORMAT)


def _on_disk(path: str | None, name: str) -> Path:
    if not path or not Path(path).is_dir():
        raise InputError(f"{name} is not on disk", f"Run `sam-hub pull {name}` first.")
    return Path(path)


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
) -> dict[str, Predictions]:
    """Return the prediction of every model on these sentences, by model name.

    Only answers that the catalog does not have are computed. Repeated sentences, and a model that is listed under two
    names, are computed once. Models that share a folder (a base and its adapters) run on one loaded base. Answers are
    stored as they come, so a killed run loses at most its last second, and the next run continues from there.

    Args:
        reporter: receives the number of answered sentences over all models, with the name of the running model.
        on_failure: called with the name of an expert that can't be loaded or run, and the error. The expert is left
            out of the result. Without it, the first such error is raised.
    """
    tasks = {model.name: task_of(model, sentences, labels, settings, free) for model in models}
    distinct: dict[Question, _Batch] = {}
    for task in tasks.values():
        distinct.setdefault(task.question, task)
    found = {question: get_run(catalog, question) for question in distinct}
    missing = {q: [] if found[q] else _unanswered(catalog, task) for q, task in distinct.items()}
    total = sum(len(set(task.prompts)) for task in distinct.values())
    done = total - sum(map(len, missing.values()))
    if done == total:
        reporter.progress("kept predictions", total, total, "sentences")
    at_work = [task for question, task in distinct.items() if missing[question]]
    at_work.sort(key=lambda task: (str(task.model.folder), task.model.adapter is not None))
    failed: dict[Question, SamHubError] = {}
    for folder, group in groupby(at_work, key=lambda task: task.model.folder):
        numbered = [(task, missing[task.question]) for task in group]
        _ask_on(
            folder,
            catalog,
            numbered,
            sentences,
            labels,
            settings,
            free,
            partial(_report, reporter, done, total),
            None if on_failure is None else failed.setdefault,
        )
        done += sum(len(numbers) for _, numbers in numbered)
    whole = {
        question: found[question] or _put_together(catalog, task, target_id)
        for question, task in distinct.items()
        if question not in failed
    }
    for name, task in tasks.items():
        if on_failure is not None and task.question in failed:
            on_failure(name, failed[task.question])
    return {name: whole[task.question] for name, task in tasks.items() if task.question in whole}


@contextmanager
def apart(tell: Callable[[SamHubError], object] | None) -> Iterator[None]:
    """Isolate the failure of one expert from the others.

    Errors caused by the expert's own files are passed to ``tell``. Errors that concern all experts are raised: the
    catalog, a full disk, a lost base.

    Args:
        tell: called with the error; None raises every error.
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
    except (
        SafetensorError,
        ValueError,
        LookupError,
        RuntimeError,
        TypeError,
        AttributeError,
        ArithmeticError,
        re.error,
    ) as error:
        tell(
            UnusableModel(
                f"its files can't be read as a model ({type(error).__name__}: {first_line(error)})",
                "Pull it again; if that does not help, remove it.",
            )
        )


def _report(reporter: Reporter, before: int, total: int, name: str, count: int) -> None:
    reporter.progress(name, before + count, total, "sentences")


def _ask_on(
    folder: Path,
    catalog: Catalog,
    tasks: Sequence[tuple[_Batch, Sequence[int]]],
    sentences: Sequence[Sentence],
    labels: Sequence[str],
    settings: Settings,
    free: bool,
    on_answered: Callable[[str, int], None],
    on_failure: Callable[[Question, SamHubError], object] | None,
) -> None:
    """Run models that share a folder on the sentences of these numbers, and free the model's memory."""

    def border(task: _Batch) -> Callable[[SamHubError], object] | None:
        if on_failure is None or task.model.kind != "expert":
            return None
        return partial(on_failure, task.question)

    first, done = tasks[0][0], 0
    # If a full model fails, only its own expert fails; if a base fails, so do all of its adapters.
    own = len(tasks) == 1 and first.model.adapter is None
    with apart(border(first) if own else None):
        loaded = load_model(folder, device=settings.device, dtype=settings.dtype, threads=settings.threads)
        for task, numbers in tasks:
            answered = lambda count, name=task.model.name, before=done: on_answered(name, before + count)  # noqa: E731
            with (
                apart(border(task)),
                with_adapter(loaded, task.model.adapter) as ready,
                _Keeper(catalog, task, numbers, answered) as keep,
            ):
                predict(
                    ready,
                    [sentences[number] for number in numbers],
                    labels,
                    prompt_format=task.model.prompt_format,
                    free=free,
                    on_answer=keep,
                )
            done += len(numbers)


@dataclass(frozen=True)
class _Batch:
    """What one model is to predict: the whole question, and the hash of each sentence's prompt, in order."""

    model: Model
    asked: CacheKey
    question: Question
    prompts: tuple[str, ...]


def task_of(
    model: Model, sentences: Sequence[Sentence], labels: Sequence[str], settings: Settings, free: bool = False
) -> _Batch:
    """Return what a model is to predict, with the keys under which the catalog stores the answers."""
    form = get_format(model.prompt_format)
    shared, decoding = form.shared(labels), _decoding(form.name, labels, settings, free)
    whole = f"{decoding} on {model.base_commit}" if model.base_commit else decoding
    return _Batch(
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


def _unanswered(catalog: Catalog, task: _Batch) -> list[int]:
    """Return the numbers of the sentences without a stored answer; one for each distinct text."""
    places = {prompt: number for number, prompt in enumerate(task.prompts)}
    kept = find_sentences(catalog, task.asked, places)
    return [number for prompt, number in places.items() if prompt not in kept]


def _put_together(catalog: Catalog, task: _Batch, target_id: int | None) -> Predictions:
    """Combine the answers to all sentences to one stored prediction."""
    kept = find_sentences(catalog, task.asked, set(task.prompts))
    return put_run(catalog, task.question, [kept[prompt] for prompt in task.prompts], target_id)


class _Keeper:
    """Writes answers to the catalog as they come; leaving the context writes the rest, even after an error.

    Args:
        on_answered: called with the number of answers so far.
    """

    def __init__(
        self, catalog: Catalog, task: _Batch, numbers: Sequence[int], on_answered: Callable[[int], None]
    ) -> None:
        self._catalog, self._task, self._numbers = catalog, task, numbers
        self._on_answered, self._count = on_answered, 0
        self._waiting: list[tables.SentencePrediction] = []
        self._due = time.monotonic() + SECONDS_BETWEEN

    def __call__(self, place: int, answer: SentenceAnswer) -> None:
        """Store the answer to the sentence at this index of the batch."""
        row = tables.SentencePrediction(
            **self._task.asked.columns,
            prompt_sha256=self._task.prompts[self._numbers[place]],
            entities=[[e.start, e.end, e.text, e.label] for e in answer.entities],
            parse_failed=answer.parse_failed,
            misaligned={kind: getattr(answer, kind) for kind in MISALIGNED},
            seconds=answer.seconds,
        )
        self._waiting.append(row)
        self._count += 1
        self._on_answered(self._count)
        if len(self._waiting) >= ANSWERS_AT_ONCE or time.monotonic() >= self._due:
            self._write()

    def _write(self) -> None:
        put_sentences(self._catalog, self._waiting)
        self._waiting, self._due = [], time.monotonic() + SECONDS_BETWEEN

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
