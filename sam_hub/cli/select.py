"""The command that selects experts for a target."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_hub.cli.background import Background, perform, start_job
from sam_hub.cli.output import AsJson, Free, say, show_json, show_table
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.selection.ranking import Ranking

WIDTH = 100  # cells of a line of explanations


class By(StrEnum):
    """Which ranking."""

    similarity = "similarity"
    sampling = "sampling"
    both = "both"


class Votes(StrEnum):
    """Whose votes an expert is scored against."""

    leave_self_out = "leave-self-out"
    plain = "plain"


class Weights(StrEnum):
    """How much a vote weighs."""

    uniform = "uniform"
    similarity = "similarity"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub select court-2026 --k 3 --sample 60")(select)
    app.command(epilog="Example: sam-hub choose court-2026 acme/ner-law acme/ner-news --by sampling")(choose)


def select(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    by: Annotated[By, typer.Option(help="Which ranking to make.")] = By.both,
    k: Annotated[
        str, typer.Option("--k", help="How many experts to choose; auto: as many as the votes speak for.")
    ] = "3",
    sample: Annotated[
        int,
        typer.Option(help="Sentences that every expert is asked about, 20 to 500; a smaller corpus whole."),
    ] = 40,
    votes: Annotated[Votes, typer.Option(help="Whose votes count for an expert.")] = Votes.leave_self_out,
    weights: Annotated[
        Weights,
        typer.Option(help="Votes weigh alike, or by how similar the expert's text is to the target's."),
    ] = Weights.uniform,
    free: Free = False,
    threshold: Annotated[float, typer.Option(help="The share of voters that must agree.")] = 0.25,
    support: Annotated[
        float,
        typer.Option(
            help="Where votes are made, too: by similarity, choose no expert with less than this share of the best "
            "score by votes; 0: any."
        ),
    ] = 0.67,
    seed: Annotated[int, typer.Option(help="Of the sample and the bootstrap.")] = 0,
    expert: Annotated[list[str] | None, typer.Option(help="Only these; else all that are on disk.")] = None,
    allow_blind: Annotated[
        bool, typer.Option("--allow-blind", help="Choose experts that know none of the labels, too.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each expert why it stands where it stands.")
    ] = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Rank the experts for a target, by similarity and by votes on a sample, and choose the best k."""
    from sam_hub.jobs.tasks.selecting import SelectExperts

    context = AppContext()
    work = SelectExperts(
        target=target,
        experts=tuple(expert or ()),
        by=by.value,
        k=int(k) if k.removeprefix("-").isdecimal() else k,
        sample=sample,
        votes=votes.value,
        threshold=threshold,
        seed=seed,
        free=free,
        allow_blind=allow_blind,
        weights=weights.value,
        support=support,
    )
    work.check()
    if background:
        start_job(context, work, as_json=as_json)
        return
    made = perform(context, work)
    if as_json:
        show_json({**made["rankings"], "chosen": made["chosen"], "uncovered": made["uncovered"]})
    else:
        _show(made, explain)


def _show(made: dict[str, Any], explain: bool) -> None:
    """Both rankings, what they come to, and what to do next."""
    from sam_hub.cli.explanation import show_reasons
    from sam_hub.selection.ranking import FAILED, Ranking
    from sam_hub.selection.report import no_fit

    warnings, failed = [], {}
    for method, values in made["rankings"].items():
        ranking = Ranking.from_dict(values["ranking"])
        print(f"\nBy {method}:")
        show_ranking(ranking, values["chosen"], width=WIDTH if explain else None)
        failed |= ranking.parameters.get("failed", {})
        if warning := no_fit(ranking.parameters):
            warnings.append(warning)
        elif not any(row.score for row in ranking.rows):
            say(
                "All scores are 0: this ranking says nothing. Take a larger --sample, or merge by the other one."
            )
    if explain:
        show_reasons(made)
    else:
        for warning in warnings:
            print(f"\n{warning}")
        if gaps := made["uncovered"]:
            say(
                f"No expert knows {', '.join(gaps)}: in evaluate and predict, their untuned base tells them apart."
            )
            say(f"To find one that does: sam-hub search --label '{gaps[0]}'")
    for name, why in failed.items():
        say(f"{name} {FAILED}, and has no vote: {why}")
    say("\nNext: sam-hub search" if warnings else f"\nNext: sam-hub merge {made['target']}")


def show_ranking(ranking: Ranking, chosen: Sequence[str], width: int | None = None) -> None:
    """A ranking as a table; the chosen are marked.

    Args:
        width: cells of a line, where the notes are told below, and not in the table.
    """
    interval = ranking.method == "sampling"
    heads = ["", "expert", "F1 by votes" if interval else "cosine", "95% interval", "knows", ""]
    rows = [
        (
            "*" if row.expert in chosen else "",
            row.expert,
            row.score,
            f"{row.low:.3f} to {row.high:.3f}" if interval and row.low is not None else "",
            row.knows,
            row.note,
        )
        for row in ranking.rows
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
    from sam_hub.selection.rankings import choose_by_hand

    made = choose_by_hand(AppContext().catalog, target, expert, by.value)
    if as_json:
        show_json(made)
        return
    for method, repos in made.items():
        print(f"By {method}, chosen by hand: {', '.join(repos)}")
    say(f"\nNext: sam-hub merge {target}")
