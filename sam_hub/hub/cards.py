"""Model cards: the facts of a card as values, and the README.md made of them (`model_card.md` is the template)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_hub.errors import InputError
from sam_hub.hub.tags import PROJECT, TASK, label_tag

_TEMPLATE = Path(__file__).with_name("model_card.md")
_PRIVATE = (
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), "an access token"),
    (re.compile(r"(?<![\w/.:-])/(home|Users|root|tmp|var|work|mnt|data|opt|private)/\S+"), "a local path"),
    (re.compile(r"(?<![\w])[A-Za-z]:\\[^\s\\]+\\"), "a local path"),
    (re.compile(r"\bfile://"), "a local path"),
    (re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])"), "an address of this machine"),
)


@dataclass(frozen=True)
class ScoreRow:
    """Strict scores of one model, 0 to 1; ``parse_failures`` is the share of unreadable answers."""

    name: str
    precision: float
    recall: float
    f1: float
    parse_failures: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores on one labeled set; ``rows[0]`` is the card's own model, others stand for comparison."""

    dataset: str
    split: str
    sentences: int
    rows: tuple[ScoreRow, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Card:
    repo: str
    base: str
    labels: tuple[str, ...]
    prompt_format: str
    license: str | None
    language: str = "en"
    evaluations: tuple[Evaluation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExpertCard(_Card):
    """A trained adapter. ``recipe`` holds what training was run with, names and plain values."""

    domain: str
    data_origin: str
    data_license: str
    attribution: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MergeInput:
    """A model that went into a merge, pinned."""

    repo: str
    commit: str
    weight: float | None = None
    license: str | None = None


@dataclass(frozen=True)
class SelectionRow:
    """An expert in the ranking that chose the inputs; ``low`` and ``high`` bound its score."""

    expert: str
    score: float
    low: float | None = None
    high: float | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class MergeCard(_Card):
    """A merged model. ``selected_by`` names the ranking, ``configuration`` is mergekit's YAML.

    ``by_hand``: a person chose the inputs, in the place of the ranking's best. ``check``: what a look at the merged
    model showed, in words; empty if none was taken. ``adapter``: where the merge is told as one LoRA adapter,
    how near that is to it, in words.
    """

    base_commit: str | None
    method: str
    parameters: Mapping[str, Any]
    inputs: tuple[MergeInput, ...]
    selected_by: str
    selection: tuple[SelectionRow, ...]
    target: str
    configuration: str = ""
    by_hand: bool = False
    check: str = ""
    adapter: str = ""


def model_card(card: ExpertCard | MergeCard) -> str:
    """Return the ``README.md`` of a trained adapter or a merged model.

    Raises:
        InputError: a fact holds a local path or a token.
    """
    from huggingface_hub import ModelCard, ModelCardData

    whole = card if isinstance(card, MergeCard) and not card.adapter else None
    is_adapter = whole is None
    title, results = card.repo.rsplit("/", 1)[-1], _eval_results(card.evaluations)
    metadata = ModelCardData(
        base_model=[card.base, *(item.repo for item in whole.inputs)] if whole else card.base,
        base_model_relation="adapter" if is_adapter else "merge",
        language=card.language,
        library_name="peft" if is_adapter else "transformers",
        license="-".join(card.license.lower().split()) if card.license else None,
        model_name=title if results else None,
        pipeline_tag="text-generation",
        tags=[PROJECT, TASK, *(["lora"] if is_adapter else ["merge", "mergekit"]), *map(label_tag, card.labels)],
        eval_results=results or None,
    )
    rendered = ModelCard.from_template(
        metadata,
        template_path=str(_TEMPLATE),
        card=card,
        is_merge=isinstance(card, MergeCard),
        title=title,
        snippet=load_snippet(card.repo, adapter=is_adapter),
    )
    return check_public(re.sub(r"\n{3,}", "\n\n", rendered.content).rstrip() + "\n")


def check_public(text: str) -> str:
    """Return a text that may leave this machine.

    Raises:
        InputError: it holds a token, a local path or a local address; a token is not repeated.
    """
    for pattern, what in _PRIVATE:
        if match := pattern.search(text):
            shown = "" if what == "an access token" else f": {match.group()[:80]}"
            raise InputError(f"The model card would contain {what}{shown}", "Name models by their repository instead.")
    return text


def load_snippet(
    repo: str, *, adapter: bool, endpoint: str | None = None, revision: str | None = None, login: str | None = None
) -> str:
    """Return Python code that loads a model from the Hub with plain transformers or peft.

    Args:
        revision: of a pull request; else what is on ``main``.
        endpoint: of a Hub that is not the public one. (Never in a card, which may go elsewhere.)
        login: what to do first, where the repository is private.
    """
    named = f'"{repo}", revision="{revision}"' if revision else f'"{repo}"'
    if adapter:
        imports = ["from peft import AutoPeftModelForCausalLM", "from transformers import AutoTokenizer"]
        model, tokenizer = "AutoPeftModelForCausalLM", 'model.peft_config["default"].base_model_name_or_path'
    else:
        imports = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
        model, tokenizer = "AutoModelForCausalLM", named
    lines = [
        *imports,
        "",
        f"model = {model}.from_pretrained({named})",
        f"tokenizer = AutoTokenizer.from_pretrained({tokenizer})",
    ]
    if endpoint:
        lines = ["import os", "", f'os.environ["HF_ENDPOINT"] = "{endpoint}"', "", *lines]
    if login:
        lines = [f"# The repository is private: {login}", *lines]
    return "\n".join(lines)


def _eval_results(evaluations: Iterable[Evaluation]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="token-classification",
            task_name="Named Entity Recognition",
            dataset_type="-".join(re.findall(r"[a-z0-9]+", evaluation.dataset.lower())),
            dataset_name=evaluation.dataset,
            dataset_split=evaluation.split,
            metric_type="f1",
            metric_name="Strict entity F1 (IOB2)",
            metric_value=round(evaluation.rows[0].f1, 4),
        )
        for evaluation in evaluations
        if evaluation.rows
    ]
