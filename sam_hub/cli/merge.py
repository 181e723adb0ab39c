"""The command that merges selected experts."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from sam_hub.cli.background import Background, perform, start_job
from sam_hub.cli.output import AsJson, DryRun, megabytes, say, show_json
from sam_hub.cli.select import By
from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.merging.parameters import parameters
from sam_hub.services.context import AppContext


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
    method: Annotated[str, typer.Option(help="A mergekit method.")] = DEFAULT_METHOD,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter, such as density=0.5.")] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="A weight for each expert, in their order.")
    ] = None,
    by_score: Annotated[
        bool, typer.Option("--by-score", help="Weigh each expert by its score in the ranking that chose it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="For methods that draw at random.")] = 0,
    stable: Annotated[
        bool,
        typer.Option(
            "--stable",
            help="Keep equally large changes by their order: quicker, but not mergekit-yaml's very bits.",
        ),
    ] = False,
    as_adapter: Annotated[
        bool, typer.Option("--as-adapter", help="Write each merge as one LoRA adapter, too.")
    ] = False,
    rank: Annotated[
        int, typer.Option(min=0, help="The adapter's rank at most; 0: the sum of the experts'.")
    ] = 0,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Merge without each expert, too: what does each add?")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Give a merge up after so many seconds; 0: never.")
    ] = 0,
    dry_run: DryRun = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Merge the selected experts with mergekit, in a process of its own."""
    from sam_hub.jobs.tasks.merging import MergeExperts, bytes_of, merge_values
    from sam_hub.merging.process import spare_worker

    context = AppContext()
    work = MergeExperts(
        target=target,
        by=by.value,
        experts=tuple(expert or ()),
        method=method,
        parameters=parameters(set_ or []),
        weights=tuple(weight or ()),
        seed=seed,
        stable=stable,
        as_adapter=as_adapter or rank > 0,
        rank=rank,
        timeout=timeout,
        leave_one_out=leave_one_out,
        by_score=by_score,
    )
    work.check()
    if background and not dry_run:
        start_job(context, work, as_json=as_json)
        return
    contributions = {}
    with spare_worker(wanted=not dry_run):
        made = [merge_values(name, plan) for name, plan in work.plans(context)]
        without = work.plans_without_each(context)
        if not as_json:
            for plan in made:
                _show_plan(plan, dry_run)
            if without:
                print(f"\nThe merges without each expert write up to {megabytes(bytes_of(without))} more")
        done = None if dry_run else perform(context, work)
    if done is not None:
        made, contributions = done["merges"], done["contributions"]
        made = [{**plan, "contributions": contributions.get(plan["name"])} for plan in made]
    if as_json:
        show_json([{"path": None, "weights_sha256": None, **plan} for plan in made])
    elif not dry_run:
        _show_made(made, contributions)
        if target:
            _show_next(context, target, failed=any(merge["problems"] for merge in made))


def _show_next(context: AppContext, target: str, *, failed: bool) -> None:
    from sam_hub.catalog.targets import get_target
    from sam_hub.errors import CatalogError
    from sam_hub.merging.service import doubts

    if failed:
        with suppress(CatalogError):  # experts that were named serve no selection
            for line in doubts(context.catalog, get_target(context.catalog, target)):
                say(line)
        say(f"\nNext: sam-hub choose {target} EXPERT ..., or merge by another --method")
    else:
        say(f"\nNext: sam-hub evaluate {target}, or sam-hub predict {target} FILE")


def _show_made(made: list[dict[str, Any]], contributions: dict[str, Any]) -> None:
    from sam_hub.jobs.tasks.merging import adapter_lines, contribution_lines

    for merge in made:
        print(f"Merged {merge['name']}: {merge['path']}")
        for problem in merge["problems"]:
            print(f"  failed the check: {problem}")
        if "adapter" in merge:
            print("\n".join(f"  {line}" for line in adapter_lines(merge["adapter"])))
    for name, found in contributions.items():
        print("\n" + "\n".join(contribution_lines(name, found)))


def _show_plan(plan: dict[str, Any], dry_run: bool) -> None:
    names = ", ".join(ref.rpartition("@")[0] or ref for ref in plan["experts"])
    print(f"\n{plan['name']}: {plan['method']} of {names}")
    for kind in ("errors", "warnings", "notes"):
        for finding in plan[kind]:
            print(f"  {kind[:-1]}: {finding}")
    if plan["reused"]:
        print(
            f"  this very merge is there already{', and is checked now' if plan['problems'] is None else ''}"
        )
        for problem in plan["problems"] or ():
            print(f"  failed the check: {problem}")
    elif not plan["errors"]:
        size, memory = megabytes(plan["bytes"]), megabytes(plan["memory"])
        print(f"  writes {size}, takes about {plan['seconds']:.0f} s and {memory} of memory")
    if dry_run:
        print(plan["configuration"])
