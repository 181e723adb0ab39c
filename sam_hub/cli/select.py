"""The command that selects experts for a target."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, Free, say, show_json, show_table
from sam_hub.cli.performing import Background, perform, start_job
from sam_hub.jobs.place import Place


class By(StrEnum):
    """Which ranking."""

    similarity = "similarity"
    sampling = "sampling"
    both = "both"


class Votes(StrEnum):
    """Whose votes an expert is scored against."""

    leave_self_out = "leave-self-out"
    plain = "plain"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub select court-2026 --k 3 --sample 60")(select)
    app.command(epilog="Example: sam-hub choose court-2026 acme/ner-law acme/ner-news --by sampling")(choose)


def select(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    by: Annotated[By, typer.Option(help="Which ranking to make.")] = By.both,
    k: Annotated[int, typer.Option("--k", min=1, help="How many experts to choose.")] = 3,
    sample: Annotated[int, typer.Option(min=1, help="Sentences that every expert is asked about.")] = 40,
    votes: Annotated[Votes, typer.Option(help="Whose votes count for an expert.")] = Votes.leave_self_out,
    free: Free = False,
    threshold: Annotated[float, typer.Option(help="The share of voters that must agree.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the sample and the bootstrap.")] = 0,
    expert: Annotated[list[str] | None, typer.Option(help="Only these; else all that are on disk.")] = None,
    allow_blind: Annotated[
        bool, typer.Option("--allow-blind", help="Choose experts that know none of the labels, too.")
    ] = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Rank the experts for a target, by similarity and by votes on a sample, and choose the best k."""
    from sam_hub.jobs.works.selecting import SelectExperts
    from sam_hub.selection.ranking import Ranking

    place = Place()
    work = SelectExperts(
        target=target,
        experts=tuple(expert or ()),
        by=by.value,
        k=k,
        sample=sample,
        votes=votes.value,
        threshold=threshold,
        seed=seed,
        free=free,
        allow_blind=allow_blind,
    )
    if background:
        start_job(place, work, as_json=as_json)
        return
    made = perform(place, work)
    if as_json:
        show_json(made["rankings"])
        return
    for method, values in made["rankings"].items():
        ranking = Ranking.from_dict(values["ranking"])
        print(f"\nBy {method}:")
        show_ranking(ranking, values["chosen"])
        if not any(row.score for row in ranking.rows):
            say("The experts agree on nothing: this ranking says nothing. Take a larger --sample, or merge")
            say("by the other ranking alone: sam-hub merge TARGET --by similarity.")
    if gaps := made["uncovered"]:
        say(f"No expert knows: {', '.join(gaps)}.")
    say(f"\nNext: sam-hub merge {made['target']}")


def show_ranking(ranking, chosen) -> None:
    """A ranking as a table; the chosen are marked."""
    interval = ranking.method == "sampling"
    heads = ("", "expert", "F1 by votes" if interval else "cosine", "95% interval", "knows", "")
    rows = [
        (
            "*" if row.expert in chosen else "",
            row.expert,
            row.score,
            f"{row.low:.3f} to {row.high:.3f}" if interval else "",
            row.knows,
            row.note,
        )
        for row in ranking.rows
    ]
    keep = [i for i in range(len(heads)) if interval or i != 3]
    show_table([heads[i] for i in keep], [[row[i] for i in keep] for row in rows])


def choose(
    target: Annotated[str, typer.Argument(help="The target's name.")],
    expert: Annotated[list[str], typer.Argument(help="The experts to be merged.")],
    by: Annotated[By, typer.Option(help="In which ranking they take the place of the best k.")] = By.both,
    as_json: AsJson = False,
) -> None:
    """Choose experts by hand, instead of the best k of a ranking."""
    from sam_hub.selection.rankings import choose_by_hand

    made = choose_by_hand(Place().catalog, target, expert, by.value)
    if as_json:
        show_json(made)
        return
    for method, repos in made.items():
        print(f"By {method}, chosen by hand: {', '.join(repos)}")
    say(f"\nNext: sam-hub merge {target}")
