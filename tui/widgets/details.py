"""What is known of one expert: facts, and why it fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from humanize import naturalsize
from rich.console import Console
from rich.text import Text

from sam_hub.catalog.descriptor_sources import Origin, described_by
from sam_hub.selection.label_matching import How, match_labels
from sam_hub.tui.symbols import Symbols, interval_bar, number

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.hub.search import FoundModel
    from sam_hub.services.experts import RepoReport

BAR = 20
INDENT = 9
CONSOLE = Console(width=200)  # for wrapping alone, which takes a console but not its width
FACTS_LINES = 18  # most experts' facts fit


def fact_lines(facts: Sequence[tuple[str, str]], width: int = 80) -> Text:
    """Names and values in lines of at most ``width`` cells, the values aligned under each other."""
    text = Text()
    for name, value in facts:
        text.append(f"{name:<{INDENT}}")
        value_text = Text(value)
        lines = value_text.wrap(CONSOLE, max(10, width - INDENT)) if value else [value_text]
        text.append_text(Text(f"\n{'':{INDENT}}").join(lines))
        text.append("\n")
    return text


def expert_facts(row: ExpertRow, wanted: Sequence[str], same_base: bool, symbols: Symbols, width: int) -> Text:
    """The facts of a catalog's expert; ``wanted`` are the target's labels, none without a target."""
    kind = f"LoRA rank {row.rank}" if row.kind == "adapter" else "full model"
    kind += ", baseline (never ranked)" if row.is_baseline else ""
    sign = symbols.done if same_base else symbols.warning
    base = f"{sign} {row.base_repo}" + ("" if same_base else " (not the base of those selected)")
    facts = [
        ("revision", row.commit[:12]),
        ("kind", f"{kind}, {naturalsize(row.size_bytes)}"),
        ("license", row.license or "not stated"),
        ("base", base),
        ("domain", row.domain or "not stated"),
        ("on disk", f"{symbols.done} yes" if row.on_disk else f"{symbols.missing} no"),
        ("types", ", ".join(row.labels) or "not stated"),
        *_text_facts(row, symbols),
    ]
    text = fact_lines(facts, width)
    if wanted:
        text.append("\nWhy it fits\n", style="bold")
        text.append_text(fact_lines(_fit_facts(row, wanted, symbols), width))
    return text


def _fit_facts(row: ExpertRow, wanted: Sequence[str], symbols: Symbols) -> list[tuple[str, str]]:
    facts = [("text", _nearness(row, symbols)), ("votes", "not ranked yet")]
    if row.sampling is not None and row.sampling_low is not None and row.sampling_high is not None:
        score, low, high = (number(value, symbols) for value in (row.sampling, row.sampling_low, row.sampling_high))
        bar = interval_bar(symbols, row.sampling_low, row.sampling, row.sampling_high, BAR)
        facts[1:] = [("votes", f"F1 {score}  95% {low} to {high}"), ("", bar)]
    matches = {match.label: match for match in match_labels(wanted, row.labels)}
    covered = [label if matches[label].how == How.exact else str(matches[label]) for label in matches]
    missing = [label for label in wanted if label not in matches]
    for name, sign, words in (("covers", symbols.done, covered), ("missing", symbols.missing, missing)):
        if words:
            facts.append((name, f"{sign} {', '.join(words)}"))
    return facts


def _text_facts(row: ExpertRow, symbols: Symbols) -> list[tuple[str, str]]:
    """By what of which text an expert is described, one an embedder; what is weak is marked."""
    facts: list[tuple[str, str]] = []
    for one in row.described:
        sign = f"{symbols.warning} " if Origin.parse(one.origin).weak else ""
        words = f"{sign}described by {described_by(one.origin, one.count)}, {one.embedder}"
        facts.append(("" if facts else "text", words))
    return facts or [("text", f"{symbols.missing} not described")]


def _nearness(row: ExpertRow, symbols: Symbols) -> str:
    """Its cosine to the target's text, and how much that says; else why there is none."""
    if row.similarity is not None:
        alone = all(Origin.parse(one.origin).weak for one in row.described)
        weak = f" ({symbols.warning} weak: from its card only)" if row.described and alone else ""
        return f"{number(row.similarity, symbols)} cosine to the target's text{weak}"
    if row.described:
        return f"{symbols.missing} no cosine: the target has no descriptor by {row.described[0].embedder}"
    return f"{symbols.nothing} no descriptor yet: run `sam-hub describe`"


def found_facts(found: FoundModel, report: RepoReport | None, symbols: Symbols, width: int) -> Text:
    """Return the facts of a model found on the Hub: of the search alone, or of an inspection too."""
    known = report or found
    facts = [
        ("revision", (known.commit or "")[:12]),
        ("base", known.base or "not stated"),
        ("license", known.license or "not stated"),
        ("types", ", ".join(known.labels) or "not stated"),
        ("fetched", f"{found.downloads or 0:,} times"),
    ]
    if report is None:
        text = fact_lines(facts, width)
        text.append("\nChecking its files ...\n", style="italic")
        return text
    kind = f"LoRA rank {report.rank}" if report.kind == "adapter" else "full model"
    facts.insert(1, ("kind", f"{kind}, {naturalsize(report.size)}"))
    facts.insert(2, ("domain", report.domain or "not stated"))
    text = fact_lines(facts, width)
    sign = {"usable": symbols.done, "unusable": symbols.missing}.get(report.verdict, symbols.warning)
    text.append(f"\n{sign} {report.verdict}\n", style="bold")
    for reason in [*report.reasons, *report.warnings]:
        text.append(f"  {reason}\n")
    return text
