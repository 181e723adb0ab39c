"""A person watches jobs, stops one, runs another again, and forgets what has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sam_hub.config import Settings
from sam_hub.errors import SamHubError
from sam_hub.jobs.scheduler import Scheduler
from sam_hub.services.context import AppContext
from sam_hub.tui.app import SamHubApp
from sam_hub.tui.widgets.table import Table
from tests.jobs.busy import Busy
from tests.tui.conftest import NARROW, WIDE, ready, text_of, until

LONG = Busy(seconds=60)


@pytest.fixture
def queue(filled: Settings) -> Iterator[Settings]:
    """The home, from which no job outlives the test."""
    yield filled
    from sam_hub.catalog.jobs import list_jobs

    with AppContext(filled) as context, suppress(SamHubError):
        for job in list_jobs(context.catalog, states=("queued", "running", "cancelling")):
            Scheduler(context).cancel(job.id or 0)


def submitted(settings: Settings, *options: Busy) -> list[int]:
    """Return jobs made before the UI was opened."""
    with AppContext(settings) as context:
        scheduler = Scheduler(context)
        return [scheduler.submit(each).id or 0 for each in options]


def ended(settings: Settings, *options: Busy) -> list[int]:
    """Return jobs that were made and have ended."""
    numbers = submitted(settings, *options)
    with AppContext(settings) as context:
        for number in numbers:
            Scheduler(context).wait(number)
    return numbers


def row_of(app: SamHubApp, number: int) -> str:
    """A job's row as it is read."""
    return app.query_one("#jobs-table", Table).row_text(str(number))


async def test_an_empty_list_says_what_becomes_a_job(filled: Settings) -> None:
    app = SamHubApp(filled)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "No jobs yet" in text_of(app))


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_running_job_moves_and_the_cursor_stays_on_another(queue: Settings, size: tuple[int, int]) -> None:
    running, waiting = submitted(queue, LONG, LONG)
    app = SamHubApp(queue)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "queued" in row_of(app, waiting) and "busy" in row_of(app, running))
        await pilot.press("j")
        await until(pilot, lambda: "event" in text_of(app))  # the log of the job under the cursor
        before = row_of(app, running)
        await until(pilot, lambda: row_of(app, running) != before)
        assert app.query_one("#jobs-table", Table).key_under_cursor == str(running)


async def test_cancel_says_so_at_once_and_takes_the_process_and_what_was_half(queue: Settings, tmp_path: Path) -> None:
    half = tmp_path / "half"
    (number,) = submitted(queue, Busy(seconds=60, ignore_sigterm=True, leave=str(half)))
    app = SamHubApp(queue)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "%" in row_of(app, number))
        assert half.exists()
        await pilot.press("c")
        await until(pilot, lambda: "cancelling" in row_of(app, number))
        assert app.check_action("do", ("cancel",)) is None
        await until(pilot, lambda: "cancelled" in row_of(app, number))
        assert not half.exists()


async def test_a_queued_job_is_cancelled_while_the_other_goes_on(queue: Settings) -> None:
    running, waiting = submitted(queue, LONG, LONG)
    app = SamHubApp(queue)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "queued" in row_of(app, waiting))
        await pilot.press("c")
        await until(pilot, lambda: "cancelled" in row_of(app, waiting))
        assert "running" in row_of(app, running)


async def test_a_failed_job_says_why_in_its_own_words_and_runs_again(queue: Settings) -> None:
    (number,) = ended(queue, Busy(seconds=0.2, fail="a [/bold] file [red]is bad"))
    app = SamHubApp(queue)
    async with app.run_test(size=WIDE) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "Error: a [/bold] file" in text_of(app))
        assert "failed" in row_of(app, number)
        assert "Take another one." in text_of(app)
        assert app.tab.copied() == "a [/bold] file [red]is bad. Take another one."
        assert app.check_action("do", ("cancel",)) is None
        await pilot.press("t")
        await until(pilot, lambda: "failed" in row_of(app, number + 1))


async def test_forgetting_asks_which_and_takes_ended_jobs_only(queue: Settings) -> None:
    first, second, third = ended(queue, *[Busy(seconds=0.1)] * 3)
    (running,) = submitted(queue, LONG)
    app = SamHubApp(queue)
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "running" in row_of(app, running))
        await pilot.press("G", "x")
        await until(pilot, lambda: "3 jobs have ended" in text_of(app))
        await pilot.press("o")
        await until(pilot, lambda: not row_of(app, first))
        assert row_of(app, second)
        await pilot.press("x", "a")
        await until(pilot, lambda: not row_of(app, second) and not row_of(app, third))
        assert row_of(app, running)
        assert not (queue.home / "jobs" / str(third)).exists()


async def test_with_ascii_every_state_is_a_word(queue: Settings) -> None:
    ended(queue, Busy(seconds=0.1), Busy(seconds=0.1, fail="no"))
    submitted(queue, LONG, LONG)
    app = SamHubApp(queue.model_copy(update={"ascii": True}))
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        await pilot.press("7")
        await until(pilot, lambda: "%" in text_of(app))
        assert all(state in text_of(app) for state in ("queued", "running", "failed", "done"))
        shown = text_of(app).translate(str.maketrans("", "", "▁▂▃▄▅▆▇█"))  # but for the ends of scrollbars
        assert shown.isascii()
