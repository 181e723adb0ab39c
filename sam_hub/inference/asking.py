"""Ask models for entities: from the catalog what was asked before, the rest on one loaded base."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from sam_hub import catalog as records
from sam_hub.catalog import Catalog
from sam_hub.errors import InputError
from sam_hub.inference.models import load_model, with_adapter
from sam_hub.inference.prediction import Prediction, predict
from sam_hub.ner.text import Sentence, corpus_hash
from sam_hub.settings import Settings

DEFAULT_FORMAT = "b2ner"
# Part of the key under which predictions are kept: to be raised when decoding comes to answer otherwise.
DECODER = "greedy-2"


@dataclass(frozen=True)
class Model:
    """A model that can be asked: the full model's folder, and the adapter's, if it is one.

    ``kind`` and ``id`` are its row in the catalog; ``name`` is how tables call it.
    """

    name: str
    kind: records.ModelKind
    id: int
    folder: Path
    adapter: Path | None = None
    prompt_format: str = DEFAULT_FORMAT


def expert_model(catalog: Catalog, expert: records.Expert) -> Model:
    """An expert of the catalog as a model that can be asked.

    Raises:
        InputError: it, or its base, is not on disk.
    """
    folder = _on_disk(expert.path, expert.repo)
    form = expert.prompt_format or DEFAULT_FORMAT
    if expert.kind == "full":
        return Model(expert.repo, "expert", expert.id, folder, None, form)
    base = base_of(catalog, expert)
    return Model(expert.repo, "expert", expert.id, _on_disk(base.path, base.repo), folder, form)


def base_of(catalog: Catalog, expert: records.Expert) -> records.Base:
    """The base of an expert: the one with the weights it was trained on, else the one of that name.

    Raises:
        InputError: the base is not in the catalog.
    """
    bases = records.list_bases(catalog)
    same = [b for b in bases if b.weights_sha256 == expert.base_sha256]
    if not expert.base_sha256:
        same = [b for b in bases if b.repo == expert.base_repo]
    if not same:
        raise InputError(
            f"The base of {expert.repo}, {expert.base_repo}, is not in the catalog",
            f"Run `sam-hub pull {expert.repo}`.",
        )
    return same[-1]


def base_model(base: records.Base, prompt_format: str = DEFAULT_FORMAT) -> Model:
    """A base, untuned, as a model that can be asked."""
    return Model(base.repo, "base", base.id, _on_disk(base.path, base.repo), None, prompt_format)


def merged_model(merge: records.Merge, name: str, prompt_format: str = DEFAULT_FORMAT) -> Model:
    """A merged model as one that can be asked."""
    return Model(name, "merge", merge.id, _on_disk(merge.path, name), None, prompt_format)


def format_of(catalog: Catalog, merge: records.Merge) -> str:
    """The prompt format in which a merged model was taught to answer: its experts'.

    Raises:
        InputError: they differ.
    """
    refs = {f"{item['repo']}@{item['commit']}" for item in merge.inputs}
    formats = {e.prompt_format or DEFAULT_FORMAT for e in records.list_experts(catalog) if e.ref in refs}
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
    on_progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> dict[str, records.Prediction]:
    """Every model's prediction of these sentences, by model name.

    What the catalog has is not computed again, nor is one model that goes by two names. Models that share a
    folder (a base and its adapters) are run on one loaded base, and each prediction is kept as soon as it is
    there: a run that was stopped loses one at most.

    Args:
        on_progress: is told (the name of the model at work, answers there are, answers there will be), over all
            models.
    """
    sha, decoding = corpus_hash(sentences), f"{DECODER} {'free' if free else 'grammar'} {settings.dtype}"
    questions = {
        model.name: records.Question(model.kind, model.id, sha, model.prompt_format, tuple(labels), decoding)
        for model in models
    }
    found = {question: records.get_prediction(catalog, question) for question in set(questions.values())}
    missing: dict[records.Question, Model] = {}
    for model in models:
        question = questions[model.name]
        if found[question] is None:
            missing.setdefault(question, model)
    total = len(found) * len(sentences)
    before = total - len(missing) * len(sentences)
    if not missing:
        on_progress("kept predictions", total, total)
    ordered = sorted(missing.values(), key=lambda model: (str(model.folder), model.adapter is not None))
    for folder, group in groupby(ordered, key=lambda model: model.folder):
        loaded = load_model(folder, device=settings.device, dtype=settings.dtype, threads=settings.threads)
        for model in group:
            with with_adapter(loaded, model.adapter) as ready:
                answer = predict(
                    ready,
                    sentences,
                    labels,
                    prompt_format=model.prompt_format,
                    free=free,
                    on_progress=lambda done, _, name=model.name, kept=before: on_progress(
                        name, kept + done, total
                    ),
                )
            before += len(sentences)
            question = questions[model.name]
            found[question] = records.put_prediction(catalog, question, _kept(answer), target_id)
        del loaded
    return {name: found[question] for name, question in questions.items()}


def _kept(answer: Prediction) -> records.Answer:
    counts = {key: getattr(answer, key) for key in ("out_of_order", "repeated", "invented", "unknown_label")}
    return records.Answer(answer.entities, answer.parse_failures, counts, answer.seconds)


def sample_key(sentences: Sequence[Sentence], labels: Sequence[str]) -> str:
    """What a probe is about: these sentences and this label set."""
    text = "\n".join([corpus_hash(sentences), *labels])
    return hashlib.sha256(text.encode()).hexdigest()
