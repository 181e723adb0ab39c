"""The command that merges selected experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sam_hub.cli.command import command
from sam_hub.cli.output import DryRun, Shown, file_size, say, show_table
from sam_hub.progress import Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import MergeOptions

if TYPE_CHECKING:
    from sam_hub.services.merge_search import MergeSearch
    from sam_hub.services.merges import MergePreview, MergesOutcome


@command("merge court-2026 --method dare_ties --set density=0.4 --dry-run", background=True)
def merge(
    options: MergeOptions, context: AppContext, reporter: Reporter, dry_run: DryRun = False, as_json: bool = False
) -> Shown:
    """Merge the chosen experts with mergekit."""
    from sam_hub.services.merges import plan_merges, run_merges

    plans = plan_merges(context, options, dry_run=dry_run)
    previews = plans.previews()
    shown: dict[str, str] = {}
    for plan in previews if not as_json else ():
        if same := shown.get(plan.configuration):
            print(f"\n{plan.name}: the same experts as {same}, so one merge serves both")
        else:
            shown[plan.configuration] = plan.name
            _show_plan(plan, dry_run)
    if plans.nothing and not as_json:
        print(plans.nothing)
    if plans.without and not as_json:
        print(f"\nThe merges without each expert write up to {file_size(plans.contribution_bytes)} more")
    if dry_run:
        values = [{"path": None, "weights_sha256": None, **vars(plan)} for plan in previews]
        return Shown(values, lambda: None)
    outcome = run_merges(context, options, reporter, plans)
    return Shown(outcome.merges, lambda: _show_outcome(outcome, options.target))


def _show_outcome(outcome: MergesOutcome, target: str | None) -> None:
    shown: set[str] = set()
    for merge in outcome.merges:
        if merge.search:
            show_search(merge.search, f"\nSearch {merge.name}")
        print(f"Merged {merge.name}: {merge.path}")
        if merge.path in shown:
            continue
        shown.add(merge.path)
        for problem in merge.problems or ():
            print(f"  failed the sanity check: {problem}")
        for line in merge.rejected:
            print(f"  rejected: {line}")
        if merge.validation:
            print(f"  {'passed' if merge.validation.passed else 'failed'} validation: {merge.validation.in_words()}")
        elif merge.not_validated:
            print(f"  not validated: {merge.not_validated}")
        for line in merge.adapter.lines() if merge.adapter else ():
            print(f"  {line}")
    for merge in outcome.merges:
        if merge.contributions:
            print("\n" + "\n".join(merge.contributions.lines(merge.name)))
    if outcome.answer:
        print(f"\n{outcome.answer}")
    for warning in outcome.warnings:
        say(warning)
    if target and not all(merge.usable for merge in outcome.merges):
        say(f"\nNext: choose other experts with sam-hub choose {target} EXPERT ..., or merge with another --method")
    elif target:
        say(f"\nNext: sam-hub evaluate {target}, or sam-hub predict {target} FILE")


def _show_plan(plan: MergePreview, dry_run: bool) -> None:
    names = ", ".join(ref.rpartition("@")[0] or ref for ref in plan.experts)
    print(f"\n{plan.name}: {plan.method} of {names}")
    for kind, words in plan.findings():
        print(f"  {kind}: {words}" if kind in ("error", "warning", "note") else f"  {words}")
    if dry_run:
        print(plan.configuration)
    if plan.search_plan and dry_run:
        print("Search, by votes on the sample: F1 on one half chooses, the other half confirms")
        for number, step in enumerate(plan.search_plan.steps, 1):
            print(f"  {number}. {step}")
        if plan.search_plan.last:
            show_search(plan.search_plan.last, "\nThe last search")


def show_search(search: MergeSearch, title: str) -> None:
    """Print the merges that a search has tried, with their scores on both halves of the sample."""
    first, second = search.halves
    show_table(
        ("merge", "experts", f"F1 on {first}", f"F1 on the other {second}", ""),
        [(row.how, row.experts, row.first, row.second, row.outcome) for row in search.candidates],
        title=f"{title}: F1 by votes on both halves of the sample",
    )
