"""A look at a merged model before it is used: that it loads, and answers no worse than what went into it.

mergekit's users know merges that run clean and yield gibberish. What fails here is kept and marked: it can be looked
at, and evaluated, but it is not pushed unless that is wanted all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sam_hub.errors import UnusableModel
from sam_hub.files import write_json
from sam_hub.hub.weights import parameter_count, weights_sha256
from sam_hub.inference.adapters import is_adapter
from sam_hub.inference.models import LoadedModel, load_model, with_adapter
from sam_hub.inference.prediction import answer_tokens
from sam_hub.merging.checks import about
from sam_hub.merging.plan import read_record
from sam_hub.merging.recipe import Recipe
from sam_hub.ner.formats import get_format
from sam_hub.ner.text import Sentence
from sam_hub.progress import SILENT, Reporter

FILE = "sanity_check.json"
UNCHECKED = "was not checked since its weights were written"
SECONDS_PER_PARAMETER = 2e-8  # of a model that answers SENTENCES, in float32 on two cores
LABELS = ("person", "organization", "location")  # where no expert says what it was taught
SENTENCES = (
    "Marie Curie moved from Warsaw to Paris in 1891 and worked at the Sorbonne.",
    "Der Vertrag zwischen Siemens und der Stadt München wurde am 3. März unterzeichnet.",
    "The patient was given 20 mg of aspirin; no further symptoms were reported.",
    "“We will appeal,” said Judge O'Neill — the ruling cost the company €4.5 million.",
    "It rained all day.",
)


@dataclass(frozen=True)
class CheckResult:
    """What was seen.

    Args:
        problems: what is wrong, in words; empty if the model passed.
        parse_rate: the share of its answers to :data:`SENTENCES` that keep the prompt's format, in free decoding.
        inputs: the same of each expert.
    """

    problems: tuple[str, ...]
    parse_rate: float
    inputs: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def in_words(self) -> str:
        """Return a paragraph for a card."""
        if self.problems:
            return "**It failed the sanity check:** " + "; ".join(self.problems) + "."
        experts = ", ".join(f"{rate:.0%}" for rate in self.inputs.values())
        return (
            "It loads, all its numbers are finite, tied weights are tied, and its tokenizer reproduces its input. "
            f"Of its answers to {len(SENTENCES)} sentences in free decoding, {self.parse_rate:.0%} keep the format of "
            f"the prompt (its experts: {experts})."
        )


def seconds_needed(recipe: Recipe) -> float:
    """Return about how long `check_merge` takes on a few CPU cores."""
    return parameter_count(recipe.base.path) * (len(recipe.experts) + 1) * SECONDS_PER_PARAMETER


def check_merge(
    recipe: Recipe, folder: Path, load: Callable[[Path], LoadedModel] = load_model, reporter: Reporter = SILENT
) -> CheckResult:
    """Look at the merged model in ``folder``, and write down there what was seen; what was seen before counts."""
    if (kept := saved_check(folder)) is not None:
        return kept
    form = about(recipe.experts[0].path).get("prompt_format") or "b2ner"
    taught = [label for expert in recipe.experts for label in about(expert.path).get("labels") or ()]
    labels, total = tuple(dict.fromkeys(taught)) or LABELS, len(recipe.experts) + 1
    rates, token_ids = _check_inputs(recipe, load, labels, form, reporter)
    try:
        merged = load(folder)
        problems = [*_weights(merged.model), *_tokenizer(merged, token_ids)]
        rate = parse_rate(merged, labels, form)
    except UnusableModel as error:
        problems, rate = [str(error).replace(str(folder), "its folder")], 0.0  # it may be told in a card
    else:
        worst = min(rates, key=rates.__getitem__)
        if rate < rates[worst]:
            problems.append(
                f"Of its answers to {len(SENTENCES)} sentences, {rate:.0%} keep the format; of {worst}, the worst of "
                f"its experts, {rates[worst]:.0%}"
            )
    reporter.progress("check of the merge", total, total, "models")
    result = CheckResult(tuple(problems), rate, rates)
    write_json(folder / FILE, {**asdict(result), "weights_sha256": weights_sha256(folder)})
    return result


def _check_inputs(
    recipe: Recipe, load: Callable[[Path], LoadedModel], labels: Sequence[str], form: str, reporter: Reporter
) -> tuple[dict[str, float], list[list[int]]]:
    """Return the experts' parse rates, and how the base reads :data:`SENTENCES`. No model stays in memory."""
    base, rates = load(recipe.base.path), {}
    for number, expert in enumerate(recipe.experts, 1):
        if is_adapter(expert.path):
            with with_adapter(base, expert.path) as ready:
                rates[expert.repo] = parse_rate(ready, labels, form)
        else:
            rates[expert.repo] = parse_rate(load(expert.path), labels, form)
        reporter.progress("check of the merge", number, len(recipe.experts) + 1, "models")
    return rates, [base.encode(text) for text in SENTENCES]


def parse_rate(loaded: LoadedModel, labels: Sequence[str], form: str) -> float:
    """Return the share of answers to :data:`SENTENCES` that keep the format, in free decoding, 0 to 1."""
    answers = answer_tokens(loaded, [Sentence(text) for text in SENTENCES], labels, prompt_format=form, free=True)
    texts = [loaded.tokenizer.decode(answer, clean_up_tokenization_spaces=False) for answer in answers]
    return sum(get_format(form).parse(text).well_formed for text in texts) / len(texts)


def _weights(model: Any) -> Iterator[str]:
    for name, tensor in model.named_parameters():
        if not tensor.isfinite().all():
            yield f"'{name}' holds numbers that are not finite"
    into, out = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    if model.config.tie_word_embeddings and into.data_ptr() != out.data_ptr():
        yield "The output embeddings are not tied to the input embeddings, as its configuration says"


def _tokenizer(merged: LoadedModel, token_ids: Sequence[list[int]]) -> Iterator[str]:
    for text, ids in zip(SENTENCES, token_ids, strict=True):
        own = merged.encode(text)
        if own != ids:
            yield f"Its tokenizer reads '{text}' differently from the base's"
        elif merged.tokenizer.decode(own, clean_up_tokenization_spaces=False) != text:
            yield f"Its tokenizer does not reproduce '{text}'"


def saved_check(folder: Path) -> CheckResult | None:
    """Return the check of the merged model in ``folder``; None if there was none, or its weights changed since."""
    if not (content := read_record(folder, FILE)):
        return None
    return CheckResult(tuple(content["problems"]), content["parse_rate"], dict(content["inputs"]))


def problem_in_words(folder: Path) -> str:
    """Return what speaks against a merged model, to be put behind its name; empty if it passed the check."""
    result = saved_check(folder)
    if result is None:
        return UNCHECKED
    if result.passed:
        return ""
    more = len(result.problems) - 1
    return f"failed the sanity check: {result.problems[0]}" + (f" (and {more} more problems)" if more else "")
