"""The command that selects experts for a target."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, Free, say, show_json, show_table, watching
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
    as_json: AsJson = False,
) -> None:
    """Rank the experts for a target, by similarity and by votes on a sample, and choose the best k."""
    from sam_hub.catalog import get_target
    from sam_hub.catalog.registration import resolve_experts
    from sam_hub.selection.ranking import uncovered
    from sam_hub.selection.sampling import Voting
    from sam_hub.selection.selecting import candidates, select_by_sampling, select_by_similarity

    place = Place()
    goal = get_target(place.catalog, target)
    experts = resolve_experts(place.catalog, expert) if expert else candidates(place.catalog)
    options = {"settings": place.settings, "allow_blind": allow_blind}
    made = {}
    if by != By.sampling:
        made["similarity"] = select_by_similarity(place.catalog, goal, experts, k, **options)
    if by != By.similarity:
        voting = Voting(threshold=threshold, votes=votes.value, seed=seed)
        with watching() as watch:
            made["sampling"] = select_by_sampling(
                place.catalog,
                goal,
                experts,
                k,
                size=sample,
                voting=voting,
                free=free,
                on_progress=watch,
                **options,
            )
    if as_json:
        show_json(
            {m: {"ranking": ranking.as_dict(), "chosen": chosen} for m, (ranking, chosen) in made.items()}
        )
        return
    for method, (ranking, chosen) in made.items():
        print(f"\nBy {method}:")
        show_ranking(ranking, chosen)
        if not any(row.score for row in ranking.rows):
            say("The experts agree on nothing: this ranking says nothing. Take a larger --sample, or merge")
            say("by the other ranking alone: sam-hub merge TARGET --by similarity.")
    if gaps := uncovered(goal.labels, {e.repo: e.labels for e in experts}):
        say(f"No expert knows: {', '.join(gaps)}.")
    say(f"\nNext: sam-hub merge {goal.name}")


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
