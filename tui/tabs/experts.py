"""Experts: the catalog and the Hub, the details of the expert under the cursor, and what the target still needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import ContentSwitcher, OptionList, Static
from textual.widgets.option_list import Option

from sam_hub.tui.messages import CheckToggled, DemoRequested, Failed, background, guarded
from sam_hub.tui.source import JobView
from sam_hub.tui.state import AppState
from sam_hub.tui.symbols import plural
from sam_hub.tui.tabs.base import BaseTab, Planned
from sam_hub.tui.widgets.catalog_pane import CatalogPane
from sam_hub.tui.widgets.details import FACTS_LINES, expert_facts, found_facts
from sam_hub.tui.widgets.hub_pane import HubPane
from sam_hub.tui.widgets.reading import ReadingPane
from sam_hub.tui.widgets.table import Table

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.services.experts import RepoReport

FACTS_DELAY = 0.04  # seconds that the cursor rests on a row until its facts are shown: a held key only moves it
CARD_DELAY = 0.25  # and until its card is read
ASKING = 180  # seconds that it may take to ask the Hub for every expert's head
DEMO = (
    "It has a base, twelve experts, two unified models for comparison, and a target. The demo has its own home folder, "
    "so it changes nothing in yours. The next time that you start the UI, it opens your own home."
)

WELCOME = """The catalog is empty.

An expert is a language model that was fine-tuned to find the entities of one domain. sam-hub selects the experts \
that fit your text, merges them, and finds entities with the merged models."""
DEMO_HINT = """
  A Hub on this machine with real experts, and a target.
  The base is downloaded from PyPI once (93 MB)."""
SEARCH_HINT = "\n  Find experts there, and add them to the catalog."


class ExpertsTab(BaseTab):
    """The table of the catalog or the search on the Hub, details beside it, and the Needs line under it."""

    NAME = "experts"
    HELP = (
        "The experts of your catalog. Pull the experts that may fit, and rank them for your target. If you select "
        "experts, only those are ranked. Otherwise, all experts on disk are ranked. The Needs line shows the target's "
        "types that no expert covers."
    )
    LOADING = ""
    RELOAD_AFTER: ClassVar = ("add", "update", "pull", "remove", "select", "describe", "target")
    ALWAYS_LOAD: ClassVar = True

    def __init__(self, state: AppState) -> None:
        super().__init__(state)
        self.catalog = CatalogPane(state)
        self.details = ReadingPane(self.symbols, "experts-details", least=FACTS_LINES)
        # On the screen when they are first asked for.
        self.hub = HubPane(state)
        demo = Text.assemble(("Try it with the demo's Hub", "bold"), DEMO_HINT)
        search = Text.assemble((f"Search {state.hub_name}", "bold"), SEARCH_HINT)
        begin = OptionList(Option(demo, id="demo"), Option(search, id="hub"))
        self.first_use = Vertical(Static(WELCOME, id="welcome", markup=False), begin, id="first-use")
        self._cards: dict[str, str] = {}
        self._reports: dict[str, RepoReport] = {}

    def body(self) -> ComposeResult:
        with ContentSwitcher(initial="catalog", id="experts-views"):
            yield self.catalog
        yield self.details

    # --- parts -----------------------------------------------------------------------------------------

    @property
    def views(self) -> ContentSwitcher:
        """Catalog, Hub or first use."""
        return self.query_one("#experts-views", ContentSwitcher)

    @property
    def on_hub(self) -> bool:
        """Whether the search is shown instead of the catalog."""
        return self.views.current == "hub"

    def focus_first(self) -> None:
        """Put the cursor into the table, or on the choice of a first use."""
        shown = self.views.current
        if shown == "first-use":
            self.first_use.query_one(OptionList).focus()
        else:
            (self.catalog if shown == "catalog" else self.hub).table.focus()

    async def _switch(self, name: str) -> None:
        """Show the catalog, the Hub or the first use."""
        pane = {"hub": self.hub, "first-use": self.first_use}.get(name)
        if pane is not None and not pane.is_attached:
            await self.views.mount(pane)
        self.views.current = name
        self.details.set_class(name == "first-use", "-away")
        self.focus_first()

    # --- loading ---------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the experts around the cursor, and the Needs line."""
        row = self.catalog.row
        await self.catalog.load(row.id if row else None)
        await self._load_needs()
        if self.hub.row:
            await self.hub.show(self.hub.table.rows)

    async def _load_needs(self) -> None:
        from sam_hub.catalog.queries import label_sets
        from sam_hub.selection.label_matching import count_experts

        if (target := self.state.target) is None:
            self.show_note("")
            return
        covered = count_experts(target.labels, await self.source.read(label_sets, self.source.path))
        signs = self.symbols
        text = Text.assemble(("Needs: ", "bold"))
        for label, (count, on_disk) in covered.items():
            sign, style = (signs.done, "") if on_disk else (signs.fetch if count else signs.missing, "bold")
            text.append(f"{label} {sign}{count}  ", style=style)
        if gaps := [label for label, (count, _) in covered.items() if not count]:
            key = self.keys("hub")
            text.append(f"no expert in the catalog covers {', '.join(gaps)} (press {key} to search the Hub)")
        self.show_note(text)

    @on(CatalogPane.Loaded)
    async def _loaded(self, event: CatalogPane.Loaded) -> None:
        """Offer a beginning instead of an empty table where the catalog is empty."""
        empty = event.page.catalog_total == 0
        if empty != (self.views.current == "first-use") and not self.on_hub:
            await self._switch("first-use" if empty else "catalog")

    def checked_changed(self, row: ExpertRow, base_changed: bool) -> None:
        """Draw the mark of an expert; if this tab is hidden, it is drawn at the next visit."""
        if self.is_shown:
            self.catalog.show_checked(row, base_changed)

    # --- details ---------------------------------------------------------------------------------------

    @on(CatalogPane.RowChanged)
    @background(rest=FACTS_DELAY)
    async def _row_changed(self) -> None:
        self._show_details()

    @on(HubPane.RowChanged)
    def _found_changed(self) -> None:
        if self.on_hub:
            self._show_details()

    @property
    def current_repo(self) -> str | None:
        """The repository under the cursor."""
        row = self.hub.row if self.on_hub else self.catalog.row
        return row.repo if row else None

    def _show_details(self) -> None:
        """Show the facts of the row under the cursor now, and its card when the cursor has come to rest."""
        self.details.show(self._facts(), self.current_repo or "")
        self._show_card(self.current_repo)

    def _facts(self) -> Text:
        room = self.details.room
        if self.on_hub:
            found = self.hub.row
            if found is None:
                return Text("No results yet.")
            return found_facts(found, self._reports.get(found.repo), self.symbols, room)
        row = self.catalog.row
        if row is None:
            return Text("No expert matches the filter.")
        labels = self.state.target.labels if self.state.target else ()
        same_base = self.state.base_of_checked in (None, row.base_sha256)
        return expert_facts(row, labels, same_base, self.symbols, room)

    @background(rest=CARD_DELAY)
    async def _show_card(self, repo: str | None) -> None:
        details = self.details
        card = await self._card(repo) if repo and details.display and details.size.width else None
        if self.current_repo == repo:
            await details.show_card(card)
            if self.on_hub and repo in self._reports:
                details.show(self._facts(), repo)

    async def _card(self, repo: str) -> str:
        """Return the card of an expert: of the catalog's files, or of the Hub, with what an inspection finds there."""
        from sam_hub.services.experts import inspect_repo, read_card

        if self.on_hub and repo not in self._reports:
            report = await guarded(self, self.source.ask(inspect_repo, repo))
            if report is None:
                return ""
            self._reports[repo] = report
            self._cards[repo] = report.card
        elif repo not in self._cards:
            self._cards[repo] = await guarded(self, self.source.ask(read_card, repo)) or ""
        return self._cards[repo]

    @on(Table.RowSelected)
    def _opened(self) -> None:
        """Go into the details; where there is no room beside the table, they are a screen."""
        from sam_hub.tui.screens.dialogs import DetailsScreen

        if self.details.size.width:
            self.details.focus()
        elif repo := self.current_repo:
            self.app.push_screen(DetailsScreen(repo, self._facts(), self.symbols, self._card(repo)))

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """On the Hub there is adding; in the catalog all else."""
        if self.views.current == "first-use":
            return action in ("hub", "add")
        return not self.on_hub or action not in ("check", "pull", "remove", "update", "sort", "reverse")

    def do_check(self) -> None:
        if row := self.catalog.row:
            self.post_message(CheckToggled(row))

    def do_sort(self) -> None:
        self.catalog.next_sort()

    def do_reverse(self) -> None:
        self.catalog.sort_by(self.catalog.query_now.sort, not self.catalog.query_now.descending)

    def do_filter(self) -> None:
        """Go into the field of what is shown."""
        if self.on_hub:
            self.hub.field.focus()
        else:
            self.catalog.filter()

    async def do_hub(self) -> None:
        """Show the Hub, or go back to the catalog."""
        if self.on_hub:
            await self._back_to_catalog()
            return
        if self._refused_offline("The Hub can't be searched"):
            return
        await self._switch("hub")
        self.hub.open()
        self._show_details()
        self.app.refresh_bindings()

    def _refused_offline(self, what: str) -> bool:
        """Say so, where it needs the Hub and offline is set."""
        if self.state.settings.offline:
            action = "Unset HF_HUB_OFFLINE (or SAM_HUB_OFFLINE)."
            self.post_message(Failed(f"{what}: offline is set", action))
        return self.state.settings.offline

    async def _back_to_catalog(self) -> None:
        await self._switch("catalog" if self.catalog.catalog_total else "first-use")
        self._show_details()
        self.app.refresh_bindings()

    async def go_back(self) -> None:
        """Leave the filter, the details, the Hub."""
        if self.on_hub:
            if self.hub.field.has_focus and self.hub.row:
                self.hub.table.focus()
            else:
                await self._back_to_catalog()
        elif self.details.has_focus or not self.catalog.leave_filter():
            self.focus_first()

    @background()
    async def do_add(self) -> None:
        """Add the model under the cursor, or one whose name is typed."""
        from sam_hub.services.options import AddOptions
        from sam_hub.tui.widgets.form import text

        model = self.hub.row if self.on_hub else None
        report = self._reports.get(model.repo) if model else None
        if model and report and report.reasons:
            self.post_message(Failed(f"{model.repo} can't be used", "; ".join(report.reasons)))
            return
        if model and (report is None or report.labels):
            await self.submit(AddOptions((model.repo,)))
            return

        async def plan(values: dict[str, Any]) -> Planned:
            repo = model.repo if model else values["repo"]
            labels = tuple(label.strip() for label in values["labels"].split(",") if label.strip())
            options = AddOptions((repo,), labels=labels) if repo else None
            return options, "It is pinned to its current commit."

        rows = [("Its entity types, comma separated", text("labels", hint="empty: those that its repository names"))]
        if model is None:
            rows.insert(0, ("Repository on the Hub (owner/name)", text("repo")))
        title = f"Add {model.repo}" if model else "Add an expert"
        await self.fill_in(title, rows, plan, "Add")

    @background()
    async def do_pull(self) -> None:
        """Fetch experts (those selected, else the one under the cursor), after a look at how much it is."""
        from sam_hub.services.experts import plan_pull
        from sam_hub.services.options import PullOptions

        repos = self.state.checked_repos or ([self.catalog.row.repo] if self.catalog.row else [])
        if not repos:
            return
        plan = await self.source.ask(plan_pull, tuple(repos))
        if not plan.missing:
            self.say("All of them are on disk.", 3)
            return
        title = f"Fetch {plural(len(plan.missing), 'expert')}?"
        if await self.confirm(title, "\n".join(plan.lines), "p", "Fetch"):
            for expert in plan.missing:
                await self.submit(PullOptions(expert))

    @background()
    async def do_update(self) -> None:
        """Move experts to the Hub's heads, after a look at which ones changed there and what that makes stale."""
        from sam_hub.services.experts import plan_update
        from sam_hub.services.options import UpdateOptions

        if self._refused_offline("The Hub can't be reached"):
            return
        self.say(f"Asking {self.state.hub_name} what changed ...", 3)
        options = UpdateOptions(tuple(self.state.checked_repos))
        plan = await self.source.ask(plan_update, options, timeout=ASKING)
        lines = [f"  {one.repo}  {one.commit[:8]} to {one.head[:8]}" for one in plan.outdated if one.head]
        gone = [one.repo for one in plan.outdated if not one.head]
        lines += [f"  {repo} is no longer on the Hub. Your copy stays." for repo in gone]
        moved = tuple(one.repo for one in plan.outdated if one.head)
        if not moved:
            self.say("\n".join([*lines, "All experts are up to date."]), 8)
            return
        if stale := [f"{one.target}'s choice by {one.method}" for one in plan.stale]:
            lines += ["", f"Of earlier commits then: {', '.join(stale)}. Rank anew for a choice of these."]
        if await self.confirm(f"Update {plural(len(moved), 'expert')}?", "\n".join(lines), "u", "Update"):
            await self.submit(UpdateOptions(moved))

    @background()
    async def do_remove(self) -> None:
        """Remove the expert under the cursor, after a look at what goes with it."""
        from sam_hub.services.experts import plan_removal
        from sam_hub.services.options import RemovalOptions

        if (row := self.catalog.row) is None:
            return
        options = RemovalOptions(row.repo)
        plan = await self.source.ask(plan_removal, options)
        lines = [*plan.lines, "", "The Hub keeps its copy."]
        if await self.confirm(f"Remove {row.repo}?", "\n".join(lines), "x", "Remove"):
            if row.id in self.state.checked:
                self.post_message(CheckToggled(row))
            await self.submit(options)

    # --- the demo --------------------------------------------------------------------------------------

    @on(OptionList.OptionSelected)
    @background()
    async def _begin(self, event: OptionList.OptionSelected) -> None:
        from sam_hub.demo.setup import StockOptions

        if event.option.id == "hub":
            await self.do_hub()
        else:
            await self.submit(StockOptions())

    @background()
    async def _offer_demo(self) -> None:
        if await self.confirm("The demo's Hub is ready", DEMO, "o", "Open the demo"):
            self.post_message(DemoRequested())

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_listed(self, ended: list[JobView]) -> None:
        """Show in the table how far fetches have come; offer a demo that is ready."""
        pulls = [view for view in self.state.active_jobs if view.job.kind == "pull"]
        self.catalog.show_pulls({str(view.job.arguments.get("expert")): view.share for view in pulls})
        super().jobs_listed(ended)
        if any(view.job.kind == "stock" and view.job.state == "done" for view in ended):
            self._offer_demo()

    def copied(self) -> str:
        return self.current_repo or ""
