"""What a person does in Merge: sees the plan change with the fields, is told what is wrong, merges by one key."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select

from sam_hub.config import Settings
from sam_hub.errors import UsageError
from sam_hub.merging.parameters import pairs, parameters, weights
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.tabs.merge import MergeTab
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until
from tests.tui.filled import fill


async def open_merge(pilot: Pilot) -> MergeTab:
    """Go to the tab, and wait for its plan."""
    app = pilot.app
    assert isinstance(app, SamHubApp)
    await ready(pilot)
    await pilot.press("4")
    await until(pilot, lambda: app.tab.NAME == "merge")
    tab = app.tab
    assert isinstance(tab, MergeTab)
    await until(pilot, lambda: tab.plan or tab.problem or (tab.message and "Loading" not in tab.message), 60)
    return tab


def button(tab: MergeTab) -> Button:
    """The one that merges."""
    return tab.query_one("#merge-button", Button)


async def test_another_density_is_planned_then_merged_by_one_key(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_merge(pilot)
        shown = text_of(app)
        assert "already on disk" in shown
        assert "merge_method: ties" in shown
        assert "press e to evaluate" in shown

        choose(tab, validate=False)  # votes of tiny models are chance
        await pilot.press("tab", "tab", "tab", *"density=0.3 lambda=.9")
        assert tab.query_one("#merge-parameters", Input).value == "density=0.3 lambda=.9"
        await until(pilot, lambda: "takes about" in text_of(app), 30)
        assert "density: 0.3" in tab.copied()
        assert "of memory are free" in " ".join(text_of(app).replace("│", " ").split())

        await pilot.press("escape", "m")
        await until(pilot, lambda: any(v.job.kind == "merge" for v in app.state.jobs), 30)
        await until(pilot, lambda: app.state.jobs[0].job.state == "done", 90)
        await until(pilot, lambda: "already on disk" in text_of(app), 30)
        assert "press e to evaluate" in text_of(app)
        assert tab.query_one("#merge-parameters", Input).value == "density=0.3 lambda=.9"


async def test_a_bad_parameter_is_told_at_its_field_and_forbids_the_merge(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=NARROW) as pilot:
        tab = await open_merge(pilot)
        assert not button(tab).disabled
        for typed, told in (("dense", "'dense' is not a parameter"), ("density=x", "can't take density='x'")):
            field = tab.query_one("#merge-parameters", Input)
            field.value = ""
            field.focus()
            await pilot.press(*typed)
            await until(pilot, lambda told=told: told in tab.problem, 30)
            assert told in text_of(app)
            assert button(tab).disabled
        await pilot.press("escape", "m")
        await pilot.pause(0.3)
        assert app.state.failure is None  # no toast: it stands at the field
        assert not any(view.is_active for view in app.state.jobs)
        tab.query_one("#merge-parameters", Input).value = ""
        await until(pilot, lambda: not button(tab).disabled, 30)


async def test_weights_are_numbers_one_for_each_expert(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_merge(pilot)
        field = tab.query_one("#merge-weights", Input)
        field.focus()
        await pilot.press(*"1 2 3")
        await until(pilot, lambda: "3 weights for 2 experts" in text_of(app), 30)
        await pilot.press("backspace", "backspace")
        await until(pilot, lambda: "weight 2" in text_of(app), 30)


async def test_a_method_without_weights_closes_the_field_of_weights(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_merge(pilot)
        tab.query_one("#merge-method", Select).focus()
        await pilot.press("enter", *"slerp", "enter")
        await until(pilot, lambda: "merge_method: slerp" in tab.copied() or tab.problem, 30)
        assert "slerp takes" in text_of(app)
        assert tab.query_one("#merge-weights", Input).disabled


async def test_an_expert_of_another_base_forbids_the_merge_and_is_named(worked: Settings, tmp_path: Path) -> None:
    put_in_place_of(worked, "acme/ner-law", tmp_path / "law")
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_merge(pilot)
        assert "acme/ner-law has another base" in tab.problem
        assert "This can't be merged" in text_of(app)
        assert "error:" in text_of(app)
        assert button(tab).disabled
        assert not tab.can("merge")


def put_in_place_of(settings: Settings, repo: str, folder: Path) -> None:
    """Let an expert lie in ``folder``, trained on other weights than its base's."""
    catalog = sqlite3.connect(settings.catalog_url.removeprefix("sqlite:///"))
    with catalog:
        (path,) = catalog.execute("SELECT path FROM expert WHERE repo = ?", (repo,)).fetchone()
        shutil.copytree(path.replace("{home}", str(settings.home)), folder)
        catalog.execute("UPDATE expert SET path = ? WHERE repo = ?", (str(folder), repo))
    catalog.close()
    about = folder / "sam_hub.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "base_sha256": "0" * 64}))


async def test_without_a_ranking_the_tab_names_the_key_that_makes_one(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        tab = await open_merge(pilot)
        assert "No ranking for court yet: press 3 for Select, then r" in " ".join(text_of(app).split())
        assert not tab.can("merge")


async def test_without_a_target_the_tab_names_the_key_that_makes_one(settings: Settings) -> None:
    fill(settings.catalog_url, 1)
    app = SamHubApp(settings)
    async with app.run_test(size=NARROW) as pilot:
        await open_merge(pilot)
        assert "No target yet: press 1" in text_of(app)


def test_parameters_are_read_from_a_line() -> None:
    assert pairs("density=[0.3, 0.5] normalize=true, lambda = 8e-1,") == [
        "density=[0.3, 0.5]",
        "normalize=true",
        "lambda = 8e-1",
    ]
    assert parameters(pairs("density=[0.3, 0.5] normalize=true, lambda = 8e-1")) == {
        "density": [0.3, 0.5],
        "normalize": True,
        "lambda": 0.8,
    }
    assert parameters(pairs(" ")) == {}
    assert weights("1, .5 2") == (1.0, 0.5, 2.0)
    with pytest.raises(UsageError, match="'much' is not a weight"):
        weights("1 much")


@pytest.mark.slow
async def test_what_else_is_made_is_chosen_beside_the_merge(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_merge(pilot)
        choose(tab, stable=True, rank=8, validate=False)  # votes of tiny models are chance
        await until(pilot, lambda: "Nothing is trimmed at a density of 1" in tab.problem, 30)
        tab.query_one("#merge-parameters", Input).value = "density=0.5"
        await until(pilot, lambda: "--stable" in tab.copied(), 30)
        await pilot.press("escape", "m")
        await until(pilot, lambda: any(v.job.kind == "merge" for v in app.state.jobs), 30)
        await until(pilot, lambda: app.state.jobs[0].job.state == "done", 90)
        outcome = await app.source.outcome(app.state.jobs[0])
        for merge in outcome.merges:
            assert merge.adapter.rank == 8
            assert merge.problems == ()
        await until(pilot, lambda: "passed the sanity check" in text_of(app), 30)


async def test_scores_stand_in_for_weights_but_not_where_each_expert_is_left_out(worked: Settings) -> None:
    app = SamHubApp(worked)
    async with app.run_test(size=WIDE) as pilot:
        tab = await open_merge(pilot)
        choose(tab, by="similarity")
        tab.query_one("#merge-weights", Input).focus()
        await pilot.press(*"scores")
        await until(pilot, lambda: tab.plan and by_scores(tab), 30)
        choose(tab, leave_one_out=True)
        await pilot.press("escape", "m")
        await until(pilot, lambda: "--leave-one-out needs a target" in text_of(app), 30)
        assert not any(view.is_active for view in app.state.jobs)


def choose(tab: MergeTab, **values: object) -> None:
    for field, value in values.items():
        tab.query_one(f"#merge-{field}", Select).value = value


def by_scores(tab: MergeTab) -> bool:
    assert tab.plan is not None
    weights = [weight for merge in tab.plan.merges for weight in merge.weights]
    return len(set(weights)) > 1
