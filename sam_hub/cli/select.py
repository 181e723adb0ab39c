"""The commands that select experts for a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.output import AsJson, Background, Free, TerminalReporter, say, show_json, show_table, start_jobs
from sam_hub.services.choices import By, VoteScheme, VoteWeights
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.services.selection import RankingChoice, SelectionOutcome

WIDTH = 100  # cells of a line of explanations


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: sam-hub select court-2026 --k 3 --sample 60")(select)
    app.command(epilog="Example: sam-hub choose court-2026 acme/ner-law acme/ner-news --by sampling")(choose)


def select(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    by: Annotated[By, typer.Option(help="Which ranking to make.")] = By.both,
    k: Annotated[
        str, typer.Option("--k", help="How many experts to choose; auto: as many as the votes speak for.")
    ] = "3",
    sample: Annotated[
        int, typer.Option(help="Sentences that every expert is asked about, 20 to 500; a smaller corpus whole.")
    ] = 40,
    votes: Annotated[VoteScheme, typer.Option(help="Whose votes count for an expert.")] = VoteScheme.leave_self_out,
    weights: Annotated[
        VoteWeights, typer.Option(help="Votes weigh alike, or by how similar the expert's text is to the target's.")
    ] = VoteWeights.uniform,
    free: Free = False,
    threshold: Annotated[float, typer.Option(help="The share of voters that must agree.")] = 0.25,
    min_vote_ratio: Annotated[
        float,
        typer.Option(
            help="Where votes are made, too: by similarity, choose no expert with less than this share of the best "
            "score by votes; 0: any."
        ),
    ] = 0.67,
    seed: Annotated[int, typer.Option(help="Of the sample and the bootstrap.")] = 0,
    expert: Annotated[list[str] | None, typer.Option(help="Only these; else all that are on disk.")] = None,
    allow_uninformed: Annotated[
        bool, typer.Option("--allow-uninformed", help="Choose experts that cover none of the labels, too.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each expert why it has its rank.")] = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Rank the experts for a target, by similarity and by votes on a sample, and choose the best k."""
    from sam_hub.services.selection import SelectOptions, run_selection

    context = AppContext()
    options = SelectOptions(
        target=target,
        experts=tuple(expert or ()),
        by=by,
        k=int(k) if k.removeprefix("-").isdecimal() else k,
        sample=sample,
        votes=votes,
        threshold=threshold,
        seed=seed,
        free=free,
        allow_uninformed=allow_uninformed,
        weights=weights,
        min_vote_ratio=min_vote_ratio,
    )
    options.check()
    if background:
        start_jobs(context, [options], as_json=as_json)
        return
    with TerminalReporter() as reporter:
        outcome = run_selection(context, options, reporter)
    if as_json:
        show_json({**outcome.rankings, "chosen": outcome.chosen, "uncovered": outcome.uncovered})
    else:
        _show(outcome, explain)


def _show(outcome: SelectionOutcome, explain: bool) -> None:
    """Print both rankings, what they come to, and what to do next."""
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
            say("All scores are 0: this ranking says nothing. Take a larger --sample, or merge by the other one.")
    if explain:
        show_reasons(outcome)
    else:
        for warning in warnings:
            print(f"\n{warning}")
        if gaps := outcome.uncovered:
            say(f"No expert covers {', '.join(gaps)}: in evaluate and predict, their untuned base tells them apart.")
            say(f"To find one that does: sam-hub search --label '{gaps[0]}'")
    for repo, why in failed.items():
        say(f"{repo} {FAILED}, and has no vote: {why}")
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
            row.covers,
            row.note,
        )
        for row in choice.ranking.rows
    ]
    keep = [i for i in range(len(heads)) if (interval or i != 3) and (width is None or i != 5)]
    show_table([heads[i] for i in keep], [[row[i] for i in keep] for row in rows], width=width)


def choose(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    expert: Annotated[list[str], typer.Argument(help="The experts to be merged.")],
    by: Annotated[By, typer.Option(help="In which ranking they take the place of the best k.")] = By.both,
    as_json: AsJson = False,
) -> None:
    """Choose experts by hand, instead of the best k of a ranking."""
    from sam_hub.services.selection import ChooseOptions, choose_experts

    chosen = choose_experts(AppContext(), ChooseOptions(target, tuple(expert), by))
    if as_json:
        show_json(chosen)
        return
    for method, repos in chosen.items():
        print(f"By {method}, chosen by hand: {', '.join(repos)}")
    say(f"\nNext: sam-hub merge {target}")
