"""The UI as a process in a real terminal: how it starts, ends, dies, and what becomes of its jobs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from sam_hub.catalog.jobs import get_job
from sam_hub.catalog.tables import Job
from sam_hub.config import Settings
from sam_hub.jobs.process import is_alive
from sam_hub.jobs.scheduler import Scheduler
from sam_hub.services.context import AppContext
from tests.jobs.busy import Busy
from tests.support.tmux import ENDED, Tmux


@pytest.fixture
def busy(filled: Settings) -> Iterator[Job]:
    """A job that runs for a minute."""
    with AppContext(filled) as context:
        job = Scheduler(context).submit(Busy(seconds=60))
        yield job
        Scheduler(context).cancel(job.id or 0)


def state_of(settings: Settings, job: Job) -> str:
    with AppContext(settings) as context:
        Scheduler(context).tick()
        return get_job(context.catalog, job.id or 0).state


def test_quitting_during_a_job_asks_and_can_leave_it_running(
    filled: Settings, environment: dict[str, str], busy: Job
) -> None:
    with Tmux(environment) as terminal:
        terminal.wait_for("Jobs(1)")
        terminal.press("q")
        terminal.wait_for("1 job is not finished", "Leave running (l)", "Stop all (s)")
        terminal.press("Escape")
        terminal.wait_until(lambda screen: "not finished" not in screen)
        terminal.press("q", "l")
        terminal.wait_for(f"{ENDED} 0")
    assert state_of(filled, busy) == "running"


def test_quitting_during_a_job_can_stop_it(filled: Settings, environment: dict[str, str], busy: Job) -> None:
    with Tmux(environment) as terminal:
        terminal.wait_for("Jobs(1)")
        terminal.press("q", "s")
        terminal.wait_for(f"{ENDED} 0", seconds=6)
    assert state_of(filled, busy) == "cancelled"


def test_a_job_outlives_a_killed_ui_and_is_found_again(
    filled: Settings, environment: dict[str, str], busy: Job
) -> None:
    with Tmux(environment) as terminal:
        terminal.wait_for("Jobs(1)")
        os.kill(terminal.pid(), signal.SIGKILL)
        terminal.wait_for(ENDED)
    assert is_alive(busy)
    with Tmux(environment) as terminal:
        terminal.wait_for("Jobs(1)", "busy")


def test_a_job_killed_while_nobody_looked_is_interrupted_and_can_be_run_again(
    filled: Settings, environment: dict[str, str], busy: Job
) -> None:
    os.killpg(busy.pid or 0, signal.SIGKILL)
    with Tmux(environment, 120, 36) as terminal:
        terminal.wait_for("Experts 7")
        terminal.press("7")
        terminal.wait_for("interrupted")
        terminal.press("t")
        terminal.wait_for("Jobs(1)")
        terminal.press("k", "c")
        terminal.wait_for("cancelled")


@pytest.mark.parametrize(
    "variables", [{"NO_COLOR": "1"}, {"TERM": "xterm"}, {"NO_COLOR": "1", "SAM_HUB_THEME": "textual-ansi"}]
)
def test_it_shows_its_rows_in_plain_terminals(environment: dict[str, str], variables: dict[str, str]) -> None:
    with Tmux({**environment, **variables}) as terminal:
        terminal.wait_for("Experts 7", "000000-legal", "[2 Experts]")


def test_its_first_rows_take_little_processor_time(environment: dict[str, str]) -> None:
    """Less than a start with torch or transformers takes; benchmarks/tui.py measures how much exactly."""
    taken = []
    for _ in range(3):
        with Tmux(environment) as terminal:
            terminal.wait_for("000000-legal")
            times = psutil.Process(terminal.pid()).cpu_times()
            taken.append(times.user + times.system)
    assert min(taken) < 1.8


def test_a_ui_that_nobody_touches_leaves_the_processor_alone(environment: dict[str, str]) -> None:
    with Tmux(environment) as terminal:
        terminal.wait_for("Experts 7")
        time.sleep(3)  # what waits for the first rows
        ui = psutil.Process(terminal.pid())
        before = ui.cpu_times()
        time.sleep(5)
        after = ui.cpu_times()
    assert (after.user + after.system) - (before.user + before.system) < 0.02 * 5 + 0.05
