"""The commands that select experts for a target."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import Shown, say, show_table
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import ChooseOptions, SelectOptions

if TYPE_CHECKING:
    from sam_hub.selection.ranking import RankingChoice
    from sam_hub.services.selection import SelectionOutcome

WIDTH, INDENT = 100, 12  # cells of a line of explanations, and before its words
SENTENCE = 2 * (WIDTH - INDENT) - 10  # characters: two lines, less what their breaks take


@command("select court-2026 --k 3 --sample 60", background=True)
def select(
    options: SelectOptions,
    context: AppContext,
    reporter: Reporter,
    explain: Annotated[bool, typer.Option("--explain", help="Show why each expert has its rank.")] = False,
) -> Shown:
    """Rank the experts for a target and choose the best k."""
    from sam_hub.services.selection import run_selection

    outcome = run_selection(context, options, reporter)
    values = {**outcome.rankings, "chosen": outcome.chosen, "uncovered": outcome.uncovered}
    return Shown(values, lambda: _show(outcome, explain))


def _show(outcome: SelectionOutcome, explain: bool) -> None:
    """Print both rankings, what they come to, and what to do next."""
    if outcome.none_chosen:
        print(f"\n{outcome.none_chosen}")
        say(f"\nNext: sam-hub predict {outcome.target} FILE, or sam-hub search")
        return
    from sam_hub.selection.ranking import FAILED
    from sam_hub.selection.report import no_fit

    warnings: list[str] = []
    failed: dict[str, str] = {}
    for method, choice in outcome.rankings.items():
        failed |= choice.ranking.parameters.get("failed", {})
        warning = no_fit(choice.ranking.parameters)
        if not choice.ranking.rows:
            print(f"\n{warning}")
            continue
        print(f"\nBy {method}:")
        show_ranking(choice, width=WIDTH if explain else None)
        if warning:
            warnings.append(warning)
        elif not any(row.score for row in choice.ranking.rows):
            say("All scores are 0, so this ranking is not useful. Use a larger --sample, or merge by similarity.")
    if explain:
        _show_reasons(outcome)
    else:
        for warning in warnings:
            print(f"\n{warning}")
        if gaps := outcome.uncovered:
            say(f"No expert covers {', '.join(gaps)}. In evaluate and predict, the untuned base assigns these types.")
            say(f"To find one that does, run `sam-hub search --label '{gaps[0]}'`.")
    for repo, why in failed.items():
        say(f"{repo} {FAILED}, so it has no vote: {why}")
    say("\nNext: sam-hub search" if warnings else f"\nNext: sam-hub merge {outcome.target}")


def _show_reasons(outcome: SelectionOutcome) -> None:
    """Print why each expert has its rank, what both rankings come to, and which labels nobody covers."""
    from sam_hub.selection.report import METHODS, evidence_lines, reasons, verdict

    # In the order of the votes, where there are any: that ranking tells more.
    rankings = [outcome.rankings[method] for method in reversed(METHODS) if method in outcome.rankings]
    main = next(choice for choice in rankings if choice.ranking.rows)
    for row in main.ranking.rows:
        print(f"\n{row.expert}{' *' if row.expert in main.chosen else ''}")
        for head, words in reasons(row.expert, outcome.rankings, outcome.labels, room=SENTENCE):
            _line(f"  {head:<{INDENT - 2}}{words}", " " * INDENT)
    print()
    if len(outcome.rankings) == 2:
        for head, key in (("in both", "both"), *((f"by {m} only", f"{m}_only") for m in METHODS)):
            _line(f"Chosen {head}: {', '.join(getattr(outcome.chosen, key)) or 'none'}")
    parameters = main.ranking.parameters
    if steps := evidence_lines(parameters):
        print("\nNumber of experts:")
        for step in steps:
            _line(f"  {step}", "     ")
    if told := verdict(parameters):
        print()
        _line(told)
    if gaps := outcome.uncovered:
        print()
        _line(f"No expert covers: {', '.join(gaps)}.")


def _line(text: str, indent: str = "") -> None:
    """One line, or more where it is too long; control characters of other people's texts are not let out."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    print(textwrap.fill(clean, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False))


def show_ranking(choice: RankingChoice, width: int | None = None) -> None:
    """Print a ranking as a table in which the chosen are marked.

    Args:
        width: cells of a line, where the notes are told below, and not in the table.
    """
    interval = choice.ranking.method == "sampling"
    heads = ["", "expert", "F1 by votes" if interval else "cosine", "95% interval", "covers", ""]
    rows = [
        (
            "*" if row.expert in choice.chosen else "",
            row.expert,
            row.score,
            f"{row.low:.3f} to {row.high:.3f}" if interval and row.low is not None else "",
            row.covers_in_words,
            row.note,
        )
        for row in choice.ranking.rows
    ]
    keep = [i for i in range(len(heads)) if (interval or i != 3) and (width is None or i != 5)]
    show_table([heads[i] for i in keep], [[row[i] for i in keep] for row in rows], width=width)


@command("choose court-2026 acme/ner-law acme/ner-news --by sampling")
def choose(options: ChooseOptions, context: AppContext) -> Shown:
    """Choose experts yourself.

    They replace the best k of a ranking.
    """
    from sam_hub.services.selection import choose_experts

    chosen = choose_experts(context, options)

    def show() -> None:
        for method, repos in chosen.items():
            print(f"Chosen for {method}: {', '.join(repos)}")
        say(f"\nNext: sam-hub merge {options.target}")

    return Shown(chosen, show)
