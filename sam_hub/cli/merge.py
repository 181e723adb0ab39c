"""The command that merges selected experts."""

from __future__ import annotations

from typing import Annotated

import typer

from sam_hub.cli.output import AsJson, DryRun, megabytes, parameters, say, show_json, watching
from sam_hub.jobs.place import Place
from sam_hub.cli.select import By


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub merge court-2026 --method dare_ties --set density=0.4 --dry-run")(
        merge
    )


def merge(
    target: Annotated[str | None, typer.Argument(help="The target whose selection is merged.")] = None,
    by: Annotated[
        By, typer.Option(help="Whose choice: similarity, sampling, or one merge for each.")
    ] = By.both,
    expert: Annotated[list[str] | None, typer.Option(help="Merge these instead; may be repeated.")] = None,
    method: Annotated[str, typer.Option(help="A mergekit method.")] = "ties",
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter, such as density=0.5.")] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="A weight for each expert, in their order.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For methods that draw at random.")] = 0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Merge the selected experts with mergekit, in a process of its own."""
    from sam_hub.merging.merged import chosen_experts, plan_for
    from sam_hub.merging.merged import merge as run

    place, made = Place(), []
    for label, experts in chosen_experts(place.catalog, target, by.value, expert or ()).items():
        plan = plan_for(
            place.catalog,
            experts,
            place.settings.merges,
            method=method,
            parameters=parameters(set_ or []),
            weights=weight,
            seed=seed,
        )
        if not as_json:
            _show_plan(label, plan, dry_run)
        row = None
        if not dry_run:
            with watching() as watch:
                row = run(place.catalog, plan, lambda p: watch("merge", p.done, p.total))
            if not as_json:
                print(f"Merged: {row.path}")
        made.append(_plain(label, plan, row))
    if as_json:
        show_json(made)
    elif not dry_run and target:
        say(f"\nNext: sam-hub evaluate {target}, or sam-hub predict {target} FILE")


def _show_plan(label: str, plan, dry_run: bool) -> None:
    names = ", ".join(expert.repo for expert in plan.recipe.experts)
    print(f"\n{label}: {plan.recipe.method} of {names}")
    for kind in ("errors", "warnings", "notes"):
        for finding in getattr(plan.report, kind):
            print(f"  {kind[:-1]}: {finding}")
    if plan.reused:
        print("  this very merge is there already")
    elif not plan.report.errors:
        size, memory = megabytes(plan.bytes_to_write), megabytes(plan.memory)
        print(f"  writes {size}, takes about {plan.seconds:.0f} s and {memory} of memory")
    if dry_run:
        print(plan.config_text)


def _plain(label: str, plan, row) -> dict:
    return {
        "name": label,
        "method": plan.recipe.method,
        "experts": [f"{e.repo}@{e.commit}" for e in plan.recipe.experts],
        "configuration": plan.config_text,
        "errors": [str(finding) for finding in plan.report.errors],
        "warnings": [str(finding) for finding in plan.report.warnings],
        "bytes": plan.bytes_to_write,
        "seconds": plan.seconds,
        "path": row.path if row else None,
        "weights_sha256": row.weights_sha256 if row else None,
    }
