"""Experts: the catalog and the Hub, the details of the expert under the cursor, and what the target still needs."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import ContentSwitcher, DataTable, OptionList, Static

from tui.messages import Failed
from tui.screens.details import DetailsScreen
from tui.source import JobView
from tui.symbols import megabytes
from tui.tabs.tab import BaseTab
from tui.widgets.catalog_pane import CatalogPane
from tui.widgets.details import Details, body_of_card, expert_facts, found_facts
from tui.widgets.first_use import FirstUse
from tui.widgets.hub_pane import HubPane

CARD_DELAY = 0.25  # seconds that the cursor rests on a row until its card is read
ASKING = 180  # seconds that it may take to ask the Hub for every expert's head
FACTS_DELAY = 0.04  # and until its facts are: a key that is held down only moves the cursor


class ExpertsTab(BaseTab):
    """The table of the catalog or the search on the Hub, details beside it, and the Needs line under it."""

    NAME = "experts"
    HELP = (
        "The experts of your catalog. Select those that may fit (or none: then all on disk are asked), fetch them, "
        "and rank them for your target. The Needs line says which of the target's types nobody covers."
    )
    RELOAD_AFTER: ClassVar = ("add", "update", "pull", "remove", "select", "describe", "target")
    SCOPED_CSS = False  # the size of the terminal is told by classes of the screen
    DEFAULT_CSS = """
    #experts-body { height: 1fr; }
    #experts-views { width: 2fr; }
    #experts-details { width: 1fr; min-width: 38; }
    .-narrow #experts-details, #experts-details.-away { display: none; }
    #needs { height: auto; max-height: 2; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._cards: dict[str, str] = {}
        self._inspections: dict[str, dict[str, Any]] = {}
        self._timer = self._facts_timer = None
        self.hub, self._first_use = HubPane(), FirstUse()  # on the screen when they are first asked for

    def compose(self) -> ComposeResult:
        with Horizontal(id="experts-body"):
            with ContentSwitcher(initial="catalog", id="experts-views"):
                yield CatalogPane()
            yield Details(id="experts-details")
        yield Static(id="needs", markup=False)

    # --- parts -----------------------------------------------------------------------------------------

    @property
    def views(self) -> ContentSwitcher:
        """Catalog, Hub or first use."""
        return self.query_one("#experts-views", ContentSwitcher)

    @property
    def catalog(self) -> CatalogPane:
        """The catalog's table."""
        return self.query_one(CatalogPane)

    @property
    def on_hub(self) -> bool:
        """Whether the search is shown instead of the catalog."""
        return self.views.current == "hub"

    def focus_first(self) -> None:
        """The table, or the choice of a first use."""
        shown = self.views.current
        if shown == "first-use":
            self.query_one(OptionList).focus()
        else:
            (self.catalog if shown == "catalog" else self.hub).query_one(DataTable).focus()

    # --- loading ---------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Look anew each time: commands change the catalog, too."""
        self.stale = True
        super().enter()

    async def load(self) -> None:
        """The window of the catalog, and the Needs line."""
        row = self.catalog.row
        await (self.catalog.seek(row.id) if row else self.catalog.load(0))
        await self._load_needs()
        if self.hub.found:
            await self.hub.refresh_listed()

    async def _load_needs(self) -> None:
        from sam_hub.catalog.queries import coverage

        target = self.app.target
        line = self.query_one("#needs", Static)
        line.display = target is not None
        if target is None:
            return
        covered = await self.source.read(coverage, self.source.path, target.labels)
        signs = self.symbols
        text = Text("Needs: ", style="bold")
        for label, (known, on_disk) in covered.items():
            sign, style = (signs.done, "") if on_disk else (signs.fetch if known else signs.missing, "bold")
            text.append(f"{label} {sign}{known}  ", style=style)
        gaps = [label for label, (known, _) in covered.items() if not known]
        if gaps:
            key = self.app.keys_of("hub")
            text.append(f"no expert in the catalog covers {', '.join(gaps)} (press {key} to search the Hub)")
        line.update(text)

    async def _switch(self, name: str) -> None:
        """Show the catalog, the Hub or the first use."""
        pane = {"hub": self.hub, "first-use": self._first_use}.get(name)
        if pane is not None and not pane.is_attached:
            await self.views.mount(pane)
        self.views.current = name
        self.focus_first()

    @on(CatalogPane.Loaded)
    async def _loaded(self, event: CatalogPane.Loaded) -> None:
        """An empty catalog offers a beginning instead of an empty table."""
        empty = event.page.catalog_total == 0
        if empty != (self.views.current == "first-use") and not self.on_hub:
            await self._switch("first-use" if empty else "catalog")
        self.query_one(Details).set_class(empty and not self.on_hub, "-away")
        self.app.first_rows_shown()

    # --- details ---------------------------------------------------------------------------------------

    @on(CatalogPane.RowChanged)
    def _row_changed(self, event: CatalogPane.RowChanged) -> None:
        event.stop()
        if self._facts_timer is not None:
            self._facts_timer.stop()
        self._facts_timer = self.set_timer(FACTS_DELAY, self._show_details)

    @on(HubPane.RowChanged)
    def _found_changed(self, event: HubPane.RowChanged) -> None:
        event.stop()
        if self.on_hub:
            self._show_details()

    def _show_details(self) -> None:
        """The facts of the row under the cursor now, its card in a moment."""
        repo = self._current_repo
        self.query_one(Details).show_facts(repo or "", self._facts(), self.symbols)
        self._later(repo)

    def _facts(self) -> Text:
        room = self.query_one(Details).room
        if self.on_hub:
            found = self.hub.row
            if found is None:
                return Text("Nothing found yet.")
            return found_facts(found, self._inspections.get(found["repo"]), self.symbols, room)
        row = self.catalog.row
        if row is None:
            return Text("No expert fits the filter.")
        wanted = self.app.target.labels if self.app.target else ()
        same = self.app.base_of_checked in (None, row.base_sha256)
        return expert_facts(row, wanted, same, self.symbols, room)

    def _later(self, repo: str | None) -> None:
        """Read the card when the cursor has come to rest."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(CARD_DELAY, lambda: self._show_card(repo))

    @work(exclusive=True, group="card")
    async def _show_card(self, repo: str | None) -> None:
        details = self.query_one(Details)
        card = await self._card(repo) if repo and details.display and details.size.width else None
        if self._current_repo == repo:
            await details.show_card(card)
            if self.on_hub and repo in self._inspections:
                details.show_facts(repo or "", self._facts(), self.symbols)

    @property
    def _current_repo(self) -> str | None:
        if self.on_hub:
            return self.hub.row["repo"] if self.hub.row else None
        return self.catalog.row.repo if self.catalog.row else None

    async def _card(self, repo: str) -> str:
        """The card of an expert: of the catalog's files, or of the Hub, with what an inspection finds there."""
        from sam_hub.jobs.inquiries import Card, Inspect

        if self.on_hub and repo not in self._inspections:
            answer = await self.guarded(self.source.ask(Inspect(repo)))
            if answer is None:
                return ""
            self._inspections[repo] = answer
            self._cards[repo] = answer["card"]
        elif repo not in self._cards:
            answer = await self.guarded(self.source.ask(Card(repo)))
            self._cards[repo] = (answer or {}).get("card", "")
        return body_of_card(self._cards[repo], self.symbols)

    @on(DataTable.RowSelected)
    def _opened(self, event: DataTable.RowSelected) -> None:
        """Enter: the details, as a screen where there is no room beside the table."""
        event.stop()
        self.open_details()

    @work(exclusive=True, group="open-details")
    async def open_details(self) -> None:
        """Show the details of the row under the cursor."""
        details, repo = self.query_one(Details), self._current_repo
        if repo is None:
            return
        if details.size.width:
            details.focus()
            return
        await self.app.push_screen(DetailsScreen(repo, self._facts(), self._card(repo)))

    # --- actions ---------------------------------------------------------------------------------------

    def can(self, action: str) -> bool | None:
        """On the Hub there is adding; in the catalog all else."""
        shown = self.views.current
        if shown == "first-use":
            return True if action in ("hub", "add") else None
        if action in ("check", "pull", "remove", "update", "sort", "reverse", "filter"):
            return None if self.on_hub and action != "filter" else True
        return True

    def do_check(self) -> None:
        """Select or unselect."""
        self.catalog.toggle()

    def do_filter(self) -> None:
        """Into the field of what is shown."""
        if self.on_hub:
            self.hub.query_one("#hub-search").focus()
        else:
            self.catalog.filter()

    def do_sort(self) -> None:
        """By the next column."""
        self.catalog.next_sort()

    def do_reverse(self) -> None:
        """The other way around."""
        now = self.catalog.query_now
        self.catalog.sort_by(now.sort, not now.descending)

    async def do_hub(self) -> None:
        """The Hub, or back to the catalog."""
        if self.on_hub:
            await self._back_to_catalog()
            return
        if self._refused_offline("The Hub can't be searched"):
            return
        await self._switch("hub")
        self.query_one(Details).remove_class("-away")
        self.hub.open()
        self._show_details()
        self.app.refresh_bindings()

    def _refused_offline(self, what: str) -> bool:
        """Say so, where it needs the Hub and offline is set."""
        if self.app.settings.offline:
            action = "Unset HF_HUB_OFFLINE (or SAM_HUB_OFFLINE)."
            self.post_message(Failed(f"{what}: offline is set", action))
        return self.app.settings.offline

    async def _back_to_catalog(self) -> None:
        empty = self.catalog.page.catalog_total == 0
        await self._switch("first-use" if empty else "catalog")
        self.query_one(Details).set_class(empty, "-away")
        self._show_details()
        self.app.refresh_bindings()

    async def do_back(self) -> None:
        """Leave the filter, the details, the Hub."""
        if self.on_hub:
            field = self.hub.query_one("#hub-search")
            if field.has_focus and self.hub.found:
                self.hub.query_one(DataTable).focus()
            else:
                await self._back_to_catalog()
        elif self.query_one(Details).has_focus or not self.catalog.leave_filter():
            self.focus_first()

    @work
    async def do_add(self) -> None:
        """Add the model under the cursor, or one whose name is typed."""
        from sam_hub.jobs.tasks.experts import AddExperts
        from tui.screens.form import Field, Form

        found = self.hub.row if self.on_hub else None
        inspection = self._inspections.get(found["repo"], {}) if found else {}
        if inspection.get("reasons"):
            self.post_message(Failed(f"{found['repo']} can't be used", "; ".join(inspection["reasons"])))
            return
        labels: tuple[str, ...] = ()
        if found is None or (inspection and not inspection["labels"]):
            fields = [] if found else [Field("repo", "Repository on the Hub (owner/name)", needed=True)]
            fields.append(
                Field("labels", "Its entity types, comma separated", hint="empty: as its repository says")
            )
            name = f"Add {found['repo']}" if found else "Add an expert"
            values = await self.app.push_screen_wait(
                Form(name, "It is pinned to the commit it has now.", fields)
            )
            if values is None:
                return
            labels = tuple(x.strip() for x in values["labels"].split(",") if x.strip())
        repo = found["repo"] if found else values["repo"]
        await self.submit(AddExperts(repos=(repo,), labels=labels))

    def _chosen_rows(self) -> list[str]:
        """The repos that were selected, or else the one under the cursor."""
        return list(self.app.checked.values()) or ([self.catalog.row.repo] if self.catalog.row else [])

    @work
    async def do_pull(self) -> None:
        """Fetch experts, after a look at how much it is."""
        from sam_hub.jobs.inquiries import PlanPull
        from sam_hub.jobs.tasks.experts import PullExpert
        from tui.screens.question import Question

        repos = self._chosen_rows()
        if not repos:
            return
        plan = await self.guarded(self.source.ask(PlanPull(experts=tuple(repos))))
        if plan is None:
            return
        wanted = [item for item in plan["experts"] if not item["on_disk"]]
        if not wanted:
            self.app.notify("All of them are on disk.", timeout=3)
            return
        lines = [f"  {item['expert']}  {megabytes(item['bytes'])}" for item in wanted]
        lines += [f"  {base['repo']} (base)  {megabytes(base['bytes'])}" for base in plan["bases"]]
        body = "\n".join([*lines, "", f"{megabytes(plan['free'])} are free."])
        title = f"Fetch {len(wanted)} {'expert' if len(wanted) == 1 else 'experts'}?"
        if await self.app.push_screen_wait(
            Question(title, body, [("p", "Fetch", True), ("b", "Back", False)])
        ):
            for item in wanted:
                await self.submit(PullExpert(item["expert"]))

    @work
    async def do_update(self) -> None:
        """Move experts to the Hub's heads, after a look at which ones changed there and what that makes stale."""
        from sam_hub.jobs.inquiries import PlanUpdate
        from sam_hub.jobs.tasks.experts import UpdateExperts
        from tui.screens.question import Question

        if self._refused_offline("The Hub can't be asked"):
            return
        experts = tuple(self.app.checked.values())
        self.app.notify(f"Asking {self.app.hub_name} what changed ...", timeout=3)
        plan = await self.guarded(self.source.ask(PlanUpdate(experts), timeout=ASKING))
        if plan is None:
            return
        moved = [one for one in plan["outdated"] if one["head"]]
        lines = [f"  {one['repo']}  {one['commit'][:8]} to {one['head'][:8]}" for one in moved]
        gone = [one["repo"] for one in plan["outdated"] if not one["head"]]
        lines += [f"  {repo} is not on the Hub any more, and stays as it is" for repo in gone]
        if not moved:
            self.app.notify(
                "\n".join([*lines, "None has a newer commit on the Hub."]), markup=False, timeout=8
            )
            return
        stale = [f"{one['target']}'s choice by {one['method']}" for one in plan["stale"]]
        if stale:
            lines += ["", f"Of earlier commits then: {', '.join(stale)}. Rank anew for a choice of these."]
        title = f"Update {len(moved)} {'expert' if len(moved) == 1 else 'experts'}?"
        question = Question(title, "\n".join(lines), [("u", "Update", True), ("b", "Back", False)])
        if await self.app.push_screen_wait(question):
            await self.submit(UpdateExperts(tuple(one["repo"] for one in moved)))

    @work
    async def do_remove(self) -> None:
        """Remove the expert under the cursor, after a look at what goes with it."""
        from sam_hub.jobs.inquiries import PlanRemoval
        from sam_hub.jobs.tasks.experts import RemoveExpert
        from tui.screens.question import Question

        row = self.catalog.row
        if row is None:
            return
        plan = await self.guarded(self.source.ask(PlanRemoval(row.repo)))
        if plan is None:
            return
        question = Question(
            f"Remove {row.repo}?", "\n".join(plan["lines"]), [("x", "Remove", True), ("b", "Back", False)]
        )
        if await self.app.push_screen_wait(question):
            self.app.checked.pop(row.id, None)
            await self.submit(RemoveExpert(row.repo))

    async def do_probe(self) -> None:
        """Rank for the target: the Select tab asks how."""
        await self.app.go("select")
        self.app.tab.do_probe()

    @on(OptionList.OptionSelected)
    async def _begin(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option.id == "hub":
            await self.do_hub()
        else:
            self._open_demo()

    @work(exclusive=True, group="demo")
    async def _open_demo(self) -> None:
        """The demo's home, if it is there; else a job makes it."""
        from sam_hub.jobs.task import task_of

        await self.submit(task_of("stock", {}))

    # --- jobs ------------------------------------------------------------------------------------------

    def jobs_seen(self, jobs: list[JobView], ended: list[JobView]) -> None:
        """How far fetches have come goes into the table; a stocked demo is offered."""
        pulling = {
            str(view.job.arguments.get("expert")): (
                view.progress.done / view.progress.total if view.progress and view.progress.total else 0.0
            )
            for view in jobs
            if view.job.kind == "pull" and view.is_active
        }
        self.catalog.states_seen(pulling)
        super().jobs_seen(jobs, ended)
        if any(view.job.kind == "stock" and view.job.state == "done" for view in ended):
            self._offer_demo()

    @work(exclusive=True, group="offer-demo")
    async def _offer_demo(self) -> None:
        from tui.screens.question import Question

        question = Question(
            "The demo's Hub is ready",
            "It has a base, twelve experts, two unified ones to compare them with, and a target. The demo keeps a home "
            "of its own, so that nothing is mixed with yours; the next start opens your own home again.",
            [("o", "Open the demo", True), ("b", "Back", False)],
        )
        if await self.app.push_screen_wait(question):
            self.app.open_demo()

    def copied(self) -> str:
        """The name of the expert under the cursor."""
        return self._current_repo or ""
