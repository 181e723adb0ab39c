"""The command that merges selected experts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sam_hub.cli.output import AsJson, Background, DryRun, TerminalReporter, megabytes, say, show_json, start_jobs
from sam_hub.merging.methods import DEFAULT_METHOD
from sam_hub.services.choices import By
from sam_hub.services.context import AppContext

if TYPE_CHECKING:
    from sam_hub.services.merges import MergePreview, MergesOutcome


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: sam-hub merge court-2026 --method dare_ties --set density=0.4 --dry-run")(merge)


def merge(
    target: Annotated[str | None, typer.Argument(help="The target whose selection is merged.")] = None,
    by: Annotated[By, typer.Option(help="Whose choice: similarity, sampling, or one merge for each.")] = By.both,
    expert: Annotated[list[str] | None, typer.Option(help="Merge these instead; may be repeated.")] = None,
    method: Annotated[str, typer.Option(help="A mergekit method.")] = DEFAULT_METHOD,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter, such as density=0.5.")] = None,
    weight: Annotated[list[float] | None, typer.Option(help="A weight for each expert, in their order.")] = None,
    by_score: Annotated[
        bool, typer.Option("--by-score", help="Weigh each expert by its score in the ranking that chose it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="For methods that draw at random.")] = 0,
    stable: Annotated[
        bool,
        typer.Option(
            "--stable", help="Keep equally large changes by their order: quicker, but not mergekit-yaml's very bits."
        ),
    ] = False,
    as_adapter: Annotated[
        bool, typer.Option("--as-adapter", help="Write each merge as one LoRA adapter, too.")
    ] = False,
    rank: Annotated[int, typer.Option(min=0, help="The adapter's rank at most; 0: the sum of the experts'.")] = 0,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Merge without each expert, too: what does each add?")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Give a merge up after so many seconds; 0: never.")] = 0,
    dry_run: DryRun = False,
    background: Background = False,
    as_json: AsJson = False,
) -> None:
    """Merge the selected experts with mergekit."""
    from sam_hub.merging.parameters import parameters
    from sam_hub.services.merges import MergeOptions, plan_merges, run_merges

    context = AppContext()
    options = MergeOptions(
        target=target,
        by=by,
        experts=tuple(expert or ()),
        method=method,
        parameters=parameters(set_ or []),
        weights=tuple(weight or ()),
        by_score=by_score,
        seed=seed,
        stable=stable,
        as_adapter=as_adapter or rank > 0,
        rank=rank,
        timeout=timeout,
        leave_one_out=leave_one_out,
    )
    options.check()
    if background and not dry_run:
        start_jobs(context, [options], as_json=as_json)
        return
    plans = plan_merges(context, options, dry_run=dry_run)
    previews = plans.previews()
    for plan in previews if not as_json else ():
        _show_plan(plan, dry_run)
    if plans.without and not as_json:
        size = megabytes(plans.contribution_bytes)
        print(f"\nThe merges without each expert write up to {size} more")
    if dry_run:
        if as_json:
            show_json([{"path": None, "weights_sha256": None, **vars(plan)} for plan in previews])
        return
    with TerminalReporter() as reporter:
        outcome = run_merges(context, options, reporter, plans)
    if as_json:
        show_json(outcome.merges)
    else:
        _show_outcome(outcome, target)


def _show_outcome(outcome: MergesOutcome, target: str | None) -> None:
    for merge in outcome.merges:
        print(f"Merged {merge.name}: {merge.path}")
        for problem in merge.problems or ():
            print(f"  failed the check: {problem}")
        for line in merge.adapter.lines() if merge.adapter else ():
            print(f"  {line}")
    for merge in outcome.merges:
        if merge.contributions:
            print("\n" + "\n".join(merge.contributions.lines(merge.name)))
    for warning in outcome.warnings:
        say(warning)
    if target and any(merge.problems for merge in outcome.merges):
        say(f"\nNext: sam-hub choose {target} EXPERT ..., or merge by another --method")
    elif target:
        say(f"\nNext: sam-hub evaluate {target}, or sam-hub predict {target} FILE")


def _show_plan(plan: MergePreview, dry_run: bool) -> None:
    names = ", ".join(ref.rpartition("@")[0] or ref for ref in plan.experts)
    print(f"\n{plan.name}: {plan.method} of {names}")
    for kind, findings in (("error", plan.errors), ("warning", plan.warnings), ("note", plan.notes)):
        for finding in findings:
            print(f"  {kind}: {finding}")
    if plan.reused:
        checked = ", and is checked now" if plan.problems is None else ""
        print(f"  this very merge is on disk already{checked}")
        for problem in plan.problems or ():
            print(f"  failed the check: {problem}")
    elif not plan.errors:
        size, memory = megabytes(plan.bytes), megabytes(plan.memory)
        print(f"  writes {size}, takes about {plan.seconds:.0f} s and {memory} of memory")
    if dry_run:
        print(plan.configuration)
