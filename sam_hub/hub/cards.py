"""Model cards: what a card has to tell, as values, and the README.md that tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sam_hub.hub.markdown import bullets, code, number, percent, public_text, table
from sam_hub.hub.tags import PROJECT, TASK, label_tag


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
    """Scores on one labelled set; ``rows[0]`` is the card's own model, others stand for comparison."""

    dataset: str
    split: str
    sentences: int
    rows: tuple[ScoreRow, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExpertCard:
    """A trained adapter. ``recipe`` holds what training was run with, names and plain values."""

    repo: str
    base: str
    domain: str
    labels: tuple[str, ...]
    prompt_format: str
    license: str | None
    data_origin: str
    data_license: str
    attribution: str = ""
    language: str = "en"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()


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


@dataclass(frozen=True)
class MergeCard:
    """A merged model. ``selected_by`` names the ranking, ``configuration`` is mergekit's YAML.

    ``by_hand``: a person chose the inputs, in the place of the ranking's best. ``check``: what a look at the merged
    model showed, in words; empty if none was taken. ``adapter``: where the merge is told as one LoRA adapter,
    how near that is to it, in words.
    """

    repo: str
    base: str
    base_commit: str | None
    method: str
    parameters: Mapping[str, Any]
    inputs: tuple[MergeInput, ...]
    selected_by: str
    selection: tuple[SelectionRow, ...]
    target: str
    labels: tuple[str, ...]
    prompt_format: str
    license: str | None
    language: str = "en"
    configuration: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    limits: tuple[str, ...] = ()
    by_hand: bool = False
    check: str = ""
    adapter: str = ""


def expert_card(card: ExpertCard) -> str:
    """The ``README.md`` of a trained adapter.

    Raises:
        InputError: something given holds a local path or a token.
    """
    facts = {
        "Base model": card.base,
        "Domain": card.domain,
        "Entity types": ", ".join(card.labels),
        "Prompt format": card.prompt_format,
    }
    data = {"Origin": card.data_origin, "License": card.data_license, "Attribution": card.attribution}
    parts = [
        _head(card, base_model=card.base, relation="adapter", library="peft"),
        f"# {_title(card.repo)}\n\nA LoRA adapter that makes {card.base} find named entities: {card.domain}.",
        bullets(facts),
        "## Training data\n\n" + bullets({name: value for name, value in data.items() if value}),
        "## Recipe\n\n" + bullets(card.recipe) if card.recipe else "",
        _scores(card.evaluations),
        _limits(()),
        "## Use\n\n" + code("python", load_snippet(card.repo, adapter=True)),
    ]
    return public_text(parts)


def merge_card(card: MergeCard) -> str:
    """The ``README.md`` of a merged model.

    Raises:
        InputError: something given holds a local path or a token.
    """
    base = f"{card.base} at `{card.base_commit}`" if card.base_commit else card.base
    facts = {
        "Base model": base,
        "Method": card.method,
        "Parameters": ", ".join(f"{name} = {value}" for name, value in card.parameters.items()) or "none",
        "Target": card.target,
        "Entity types": ", ".join(card.labels),
        "Prompt format": card.prompt_format,
    }
    experts = [item.repo for item in card.inputs]
    inputs = table(
        ("expert", "commit", "weight", "license"),
        [
            (item.repo, f"`{item.commit}`", number(item.weight), item.license or "not stated")
            for item in card.inputs
        ],
    )
    if card.adapter:
        head = _head(card, base_model=card.base, relation="adapter", library="peft")
    else:
        head = _head(card, base_model=[card.base, *experts], relation="merge", library="transformers")
    parts = [
        head,
        f"# {_title(card.repo)}\n\nExperts for named entities, selected for **{card.target}** without labels"
        " of it, and merged with mergekit (SaM: Select and Merge, arXiv 2506.22813).",
        card.adapter,
        bullets(facts),
        "## Inputs\n\n" + inputs,
        _selection(card),
        _scores(card.evaluations),
        f"## Check\n\n{card.check}" if card.check else "",
        _limits(card.limits),
        _reproduction(card),
        "## Use\n\n" + code("python", load_snippet(card.repo, adapter=bool(card.adapter))),
    ]
    return public_text(parts)


def load_snippet(
    repo: str,
    *,
    adapter: bool,
    endpoint: str | None = None,
    revision: str | None = None,
    login: str | None = None,
) -> str:
    """Python that loads a model from the Hub with plain transformers or peft.

    Args:
        revision: of a pull request; else what is on ``main``.
        endpoint: of a Hub that is not the public one. (Never in a card, which may go elsewhere.)
        login: what to do first, where the repository is private.
    """
    named = f'"{repo}", revision="{revision}"' if revision else f'"{repo}"'
    if adapter:
        tokenizer = 'model.peft_config["default"].base_model_name_or_path'
        lines = [
            "from peft import AutoPeftModelForCausalLM",
            "from transformers import AutoTokenizer",
            "",
            f"model = AutoPeftModelForCausalLM.from_pretrained({named})",
            f"tokenizer = AutoTokenizer.from_pretrained({tokenizer})",
        ]
    else:
        lines = [
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            "",
            f"model = AutoModelForCausalLM.from_pretrained({named})",
            f"tokenizer = AutoTokenizer.from_pretrained({named})",
        ]
    if endpoint:
        lines = ["import os", "", f'os.environ["HF_ENDPOINT"] = "{endpoint}"', "", *lines]
    if login:
        lines = [f"# The repository is private: {login}", *lines]
    return "\n".join(lines)


def _head(card: ExpertCard | MergeCard, *, base_model: str | list[str], relation: str, library: str) -> str:
    """The front matter, by huggingface_hub's own class, so that the Hub accepts it."""
    from huggingface_hub import ModelCardData

    tags = [PROJECT, TASK, *([relation, "mergekit"] if relation == "merge" else ["lora"])]
    results = _eval_results(card.evaluations)
    data = ModelCardData(
        base_model=base_model,
        base_model_relation=relation,
        language=card.language,
        library_name=library,
        license="-".join(card.license.lower().split()) if card.license else None,
        model_name=_title(card.repo) if results else None,
        pipeline_tag="text-generation",
        tags=[*tags, *map(label_tag, card.labels)],
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---"


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


def _scores(evaluations: Iterable[Evaluation]) -> str:
    parts = []
    for evaluation in evaluations:
        rows = [
            (
                row.name,
                number(row.precision),
                number(row.recall),
                number(row.f1),
                percent(row.parse_failures),
            )
            for row in evaluation.rows
        ]
        labels = f"; {', '.join(evaluation.labels)}" if evaluation.labels else ""
        parts.append(
            f"{evaluation.dataset}, {evaluation.split}, {evaluation.sentences} sentences{labels}:\n\n"
            + table(("model", "precision", "recall", "F1", "parse failures"), rows)
        )
    if not parts:
        return "## Scores\n\nNot evaluated: there were no labelled sentences."
    how = (
        'Strict entity scores (seqeval, `mode="strict"`, IOB2, micro average): an entity counts if its'
        " span and its type are both right. Parse failures: the share of answers that could not be read."
    )
    return "## Scores\n\n" + how + "\n\n" + "\n\n".join(parts)


def _selection(card: MergeCard) -> str:
    if not card.selection:
        return ""
    rows = [
        (
            row.expert,
            number(row.score),
            _interval(row),
            "yes" if row.chosen else "no",
        )
        for row in card.selection
    ]
    ranking = table(("expert", "score", "95% interval", "chosen"), rows)
    how = f"Experts ranked by {card.selected_by} for {card.target}"
    by_hand = "; those that are merged were chosen by hand" if card.by_hand else ""
    return f"## Selection\n\n{how}{by_hand}:\n\n{ranking}"


def _interval(row: SelectionRow) -> str:
    return "–" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"


def _limits(limits: Iterable[str]) -> str:
    always = (
        "Made for the entity types above; others were not tried.",
        "Texts of other languages, domains or times than those evaluated may score far lower.",
    )
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in (*limits, *always))


def _reproduction(card: MergeCard) -> str:
    if not card.configuration:
        return ""
    text = "Save this as `mergekit_config.yml` and run `mergekit-yaml mergekit_config.yml merged`:"
    return f"## Reproduce\n\n{text}\n\n{code('yaml', card.configuration.strip())}"


def _title(repo: str) -> str:
    return repo.rsplit("/", 1)[-1]
