"""The commands that select experts for a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.command import command
from sam_hub.cli.output import AsJson, TerminalReporter, say, show_json, show_table
from sam_hub.services.context import AppContext
from sam_hub.services.options import ChooseOptions, SelectOptions

if TYPE_CHECKING:
    from sam_hub.selection.ranking import RankingChoice
    from sam_hub.services.selection import SelectionOutcome

WIDTH = 100  # cells of a line of explanations


@command("select court-2026 --k 3 --sample 60", background=True)
def select(
    options: SelectOptions,
    explain: Annotated[bool, typer.Option("--explain", help="Show why each expert has its rank.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rank the experts for a target and choose the best k."""
    from sam_hub.services.selection import run_selection

    with TerminalReporter() as reporter:
        outcome = run_selection(AppContext(), options, reporter)
    if as_json:
        show_json({**outcome.rankings, "chosen": outcome.chosen, "uncovered": outcome.uncovered})
    else:
        _show(outcome, explain)


def _show(outcome: SelectionOutcome, explain: bool) -> None:
    """Print both rankings, what they come to, and what to do next."""
    if outcome.none_chosen:
        print(f"\n{outcome.none_chosen}")
        say(f"\nNext: sam-hub predict {outcome.target} FILE, or sam-hub search")
        return
    from sam_hub.cli.reasons import show_reasons
    from sam_hub.selection.ranking import FAILED
    from sam_hub.selection.report import no_fit

    warnings: list[str] = []
    failed: dict[str, str] = {}
    for method, choice in outcome.rankings.items():
        print(f"\nBy {method}:")
        show_ranking(choice, width=WIDTH if explain else None)
        failed |= choice.ranking.parameters.get("failed", {})
        if warning := no_fit(choice.ranking.parameters):
            warnings.append(warning)
        elif not any(row.score for row in choice.ranking.rows):
            say("All scores are 0, so this ranking is not useful. Use a larger --sample, or merge by similarity.")
    if explain:
        show_reasons(outcome)
    else:
        for warning in warnings:
            print(f"\n{warning}")
        if gaps := outcome.uncovered:
            say(f"No expert covers {', '.join(gaps)}. In evaluate and predict, the untuned base assigns these types.")
            say(f"To find one that does, run `sam-hub search --label '{gaps[0]}'`.")
    for repo, why in failed.items():
        say(f"{repo} {FAILED}, so it has no vote: {why}")
    say("\nNext: sam-hub search" if warnings else f"\nNext: sam-hub merge {outcome.target}")


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
def choose(options: ChooseOptions, as_json: AsJson = False) -> None:
    """Choose experts yourself.

    They replace the best k of a ranking.
    """
    from sam_hub.services.selection import choose_experts

    chosen = choose_experts(AppContext(), options)
    if as_json:
        show_json(chosen)
        return
    for method, repos in chosen.items():
        print(f"Chosen for {method}: {', '.join(repos)}")
    say(f"\nNext: sam-hub merge {options.target}")
