"""A user starts work in the background, and looks after it with commands."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.jobs import list_jobs
from sam_hub.cli import run
from sam_hub.config import Settings, load_settings
from sam_hub.jobs.scheduler import Scheduler
from sam_hub.services.context import AppContext
from tests.jobs.busy import Busy

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An empty home, from which no job outlives the test."""
    monkeypatch.setenv("SAM_HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SAM_HUB_OFFLINE", "true")
    made = load_settings()
    yield made
    with open_catalog(made.catalog_url) as catalog:
        for job in list_jobs(catalog, states=("queued", "running", "cancelling")):
            Scheduler(AppContext(made)).cancel(job.id or 0)


@pytest.fixture
def jobs(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command on jobs; gives the exit code, the output and the messages."""

    def call(*words: object) -> tuple[int, str, str]:
        code = run(["jobs", *map(str, words)])
        return code, *capsys.readouterr()

    return call


def submitted(settings: Settings, *works: Busy) -> list[int]:
    scheduler = Scheduler(AppContext(settings))
    return [scheduler.submit(work).id or 0 for work in works]


def read(shown: tuple[int, str, str]) -> Any:
    """What a command printed as JSON."""
    code, output, messages = shown
    assert code == 0, messages
    return json.loads(output)


def test_an_empty_list_says_how_a_job_is_made(jobs: Call) -> None:
    code, _, messages = jobs("list")
    assert code == 0
    assert "--background" in messages


def test_a_job_is_followed_to_its_result(settings: Settings, jobs: Call) -> None:
    (number,) = submitted(settings, Busy(seconds=0.3))
    code, output, _ = jobs("logs", "-f", number)
    assert code == 0
    assert "busy (done)" in output
    assert "events" in output
    (listed,) = read(jobs("list", "--json"))
    assert (listed["id"], listed["state"], listed["kind"]) == (number, "done", "tests.jobs.busy:BUSY")
    assert listed["result"]["events"] == 6
    assert listed["seconds"] > 0


def test_a_failed_job_ends_in_its_own_message_and_code_one(settings: Settings, jobs: Call) -> None:
    (number,) = submitted(settings, Busy(seconds=0.1, fail="The file [/x] is bad"))
    code, _, messages = jobs("logs", "-f", number)
    assert code == 1
    assert "Error: The file [/x] is bad. Take another one." in messages
    shown = read(jobs("show", number, "--json"))
    assert shown["error_title"] == "The file [/x] is bad"
    assert shown["log"][-1].startswith("Error: The file [/x] is bad")


def test_the_old_words_for_following_and_removing_still_work(settings: Settings, jobs: Call) -> None:
    (number,) = submitted(settings, Busy(seconds=0.1))
    assert read(jobs("follow", number, "--json"))["state"] == "done"
    assert read(jobs("forget", number, "--yes", "--json")) == {"removed": [number]}


def test_ctrl_c_stops_following_and_not_the_job(settings: Settings, jobs: Call) -> None:
    (number,) = submitted(settings, Busy(seconds=60))
    command = [sys.executable, "-m", "sam_hub.cli", "jobs", "logs", "-f", str(number)]
    follower = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    assert follower.stderr is not None
    assert follower.stderr.readline().startswith(f"Following job {number}")
    follower.send_signal(signal.SIGINT)
    _, messages = follower.communicate(timeout=60)
    assert follower.returncode == 130
    assert f"Job {number} continues" in messages
    assert read(jobs("show", number, "--json"))["state"] == "running"


@pytest.mark.parametrize("fails", ["", "try: raise KeyboardInterrupt\nfinally: assert False, 'it was about to close'"])
def test_ctrl_c_while_a_library_works_ends_with_its_code(settings: Settings, tmp_path: Path, fails: str) -> None:
    (tmp_path / "sqlmodel.py").write_text(fails or "exec('raise KeyboardInterrupt')\n", encoding="utf-8")
    command = [sys.executable, "-m", "sam_hub.cli", "jobs", "list"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.startswith("Error: Interrupted")


def test_several_jobs_are_cancelled_at_once_and_one_that_ended_stays(settings: Settings, jobs: Call) -> None:
    (done,) = submitted(settings, Busy(seconds=0.1))
    jobs("logs", "-f", done)
    running, waiting = submitted(settings, Busy(seconds=60), Busy(seconds=60))
    assert [job["state"] for job in read(jobs("list", "--json"))] == ["queued", "running", "done"]
    code, output, _ = jobs("cancel", waiting, running, done)
    assert code == 0
    assert output.count("(cancelled)") == 2
    assert f"Job {done}: busy (already ended: done)" in output


def test_an_unknown_number_cancels_nothing(settings: Settings, jobs: Call) -> None:
    (running,) = submitted(settings, Busy(seconds=60))
    code, _, messages = jobs("cancel", running, 99)
    assert code == 1
    assert "No job 99" in messages
    assert read(jobs("show", running, "--json"))["state"] == "running"


def test_a_retry_is_a_new_job_with_the_same_work(settings: Settings, jobs: Call) -> None:
    (number,) = submitted(settings, Busy(seconds=0.2))
    assert jobs("retry", number)[0] == 2  # it has not ended
    jobs("logs", "-f", number)
    started = read(jobs("retry", number, "--json"))
    assert started["job"] == number + 1
    again = read(jobs("logs", "-f", started["job"], "--json"))
    assert again["arguments"]["seconds"] == 0.2
    assert again["state"] == "done"


def test_removing_takes_ended_jobs_with_their_logs(
    settings: Settings, jobs: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = submitted(settings, Busy(seconds=0.1), Busy(seconds=0.1))
    jobs("logs", "-f", first)
    jobs("logs", "-f", second)
    (running,) = submitted(settings, Busy(seconds=60))
    assert jobs("rm", running, "--yes")[0] == 2
    assert read(jobs("rm", first, "--yes", "--json")) == {"removed": [first]}
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, output, messages = jobs("rm")
    assert code == 130
    assert "Remove 1 ended job and its log?" in output
    assert "Nothing was changed" in messages
    assert read(jobs("rm", "--yes", "--json")) == {"removed": [second]}
    assert [job["id"] for job in read(jobs("list", "--json"))] == [running]
    assert not (settings.home / "jobs" / str(first)).exists()


def test_a_list_finds_the_dead(settings: Settings, jobs: Call) -> None:
    (number,) = submitted(settings, Busy(seconds=60))
    with open_catalog(settings.catalog_url) as catalog:
        os.kill(list_jobs(catalog)[0].pid or 0, signal.SIGKILL)
    while (state := read(jobs("list", "--json"))[0]["state"]) == "running":
        pass
    assert state == "interrupted"
    assert f"jobs retry {number}" in jobs("logs", "-f", number)[2]
