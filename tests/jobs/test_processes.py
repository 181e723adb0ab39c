"""A job's process outlives whoever started it, is told from others, and is ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from sam_hub.catalog.tables import Job
from sam_hub.config import Settings
from sam_hub.hub.embedded import shared_hub, stop_shared_hub
from sam_hub.jobs import process
from sam_hub.jobs.process import is_alive, start
from sam_hub.jobs.progress import LOG, job_folder, log_tail, progress_of
from sam_hub.tempdirs import has_ended
from tests.jobs.busy import Busy
from tests.jobs.conftest import Queue, family_of, until
from tests.jobs.services import Download, Stubborn, UseHub

SOON = 30  # seconds: enough for a busy machine, and too few for a job that takes a minute


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def record_of(options: Busy, **given) -> Job:
    return Job(kind=options.KIND, title="busy", arguments=asdict(options), queue="compute", **given)


@pytest.fixture
def stranger():
    """A process of another program, which leads a session of its own as a job's process does."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_a_cancelled_job_is_gone_with_its_children_and_leaves_no_half_file(queue: Queue, tmp_path):
    file = tmp_path / "model"
    job = queue.at_work(queue.submit(Busy(seconds=60, children=2, leave=str(file))))
    family = family_of(job)
    assert (len(family), file.read_text()) == (3, "half")
    began = time.monotonic()
    assert queue.cancel(job.id).state == "cancelled"
    assert time.monotonic() - began < SOON
    assert all(is_gone(process) for process in family)
    assert not file.exists()
    assert log_tail(queue.settings, job.id)[-1] == "Stopped."


def test_a_job_that_ignores_the_request_is_killed_and_swept_after(queue: Queue, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    file = tmp_path / "model"
    job = queue.at_work(queue.submit(Busy(seconds=60, children=1, ignore_sigterm=True, leave=str(file))))
    family = family_of(job)
    began = time.monotonic()
    assert queue.cancel(job.id).state == "cancelled"
    assert 0.5 <= time.monotonic() - began < SOON
    assert all(is_gone(process) for process in family)
    assert not file.exists()


def test_what_a_job_started_after_it_was_asked_to_end_goes_with_it(queue: Queue, tmp_path):
    file = tmp_path / "pid"
    job = queue.at_work(queue.submit(Stubborn(str(file))))
    assert queue.cancel(job.id).state == "cancelled"
    assert has_ended(int(file.read_text()))


def test_cancelling_one_of_two_leaves_the_other_running(queue: Queue):
    one, other = (queue.submit(Download(seconds=60)) for _ in range(2))
    queue.at_work(one), queue.at_work(other)
    queue.cancel(one)
    before = progress_of(queue.settings, other)
    until(lambda: progress_of(queue.settings, other).done > before.done + 5)
    assert queue.states(one, other) == ["cancelled", "running"]


def test_a_job_is_cancelled_before_its_process_has_read_its_record(queue: Queue, tmp_path):
    file = tmp_path / "model"
    number = queue.submit(Busy(seconds=60, leave=str(file)))
    family = family_of(queue.job(number))
    began = time.monotonic()
    assert queue.cancel(number).state == "cancelled"
    assert time.monotonic() - began < SOON
    assert all(is_gone(process) for process in family)
    assert not file.exists()
    assert progress_of(queue.settings, number) is None


def test_a_job_that_ended_stays_as_it_is_when_it_is_cancelled(queue: Queue):
    number = queue.submit(Busy(seconds=0.1))
    queue.ended(number)
    assert queue.cancel(number).state == "done"


def test_a_job_stopped_from_outside_says_so_and_starts_the_next_which_can_be_cancelled_at_once(
    queue: Queue, monkeypatch
):
    monkeypatch.setattr(process, "GRACE_SECONDS", 60)
    first, second = queue.submit(Busy(seconds=60)), queue.submit(Busy(seconds=60))
    os.kill(queue.at_work(first).pid, signal.SIGTERM)
    assert queue.ended(first).state == "interrupted"
    until(lambda: queue.job(second).state == "running")
    began = time.monotonic()
    assert queue.cancel(second).state == "cancelled"
    assert time.monotonic() - began < SOON  # it has not inherited deafness from the one that started it


def claimed(queue: Queue, pid: int, ago: float = 0, **options) -> Job:
    """A job that a process has claimed, and of which no process has been written down."""
    began = datetime.now(UTC) - timedelta(seconds=ago)
    return queue.catalog.add(record_of(Busy(**options), state="running", pid=pid, started_at=began))


def test_a_process_that_is_not_written_down_yet_takes_the_job_that_was_claimed_for_it(queue: Queue):
    job = claimed(queue, os.getpid(), seconds=0.1)
    pid, _ = start(queue.settings, job.id)
    done = queue.ended(job.id)
    assert (done.state, done.pid) == ("done", pid)


def test_of_two_processes_for_one_job_one_does_it(queue: Queue):
    job = claimed(queue, os.getpid(), seconds=0.3)
    pids = {start(queue.settings, job.id)[0] for _ in range(2)}
    done = queue.ended(job.id)
    until(lambda: not any(psutil.pid_exists(p) and not has_ended(p) for p in pids))
    assert (done.state, done.pid in pids) == ("done", True)
    assert log_text(queue, job.id).count("UTC  busy") == 1


def log_text(queue: Queue, job_id: int) -> str:
    return (job_folder(queue.settings, job_id) / LOG).read_text()


def test_a_claim_whose_process_died_is_put_back_and_started_by_the_next_tick(queue: Queue, stranger):
    stranger.kill()
    stranger.wait()
    job = claimed(queue, stranger.pid, seconds=0.1)
    queue.scheduler.tick()
    assert queue.job(job.id).pid != stranger.pid
    assert queue.ended(job.id).state == "done"


def test_a_claim_that_leads_to_nothing_for_a_minute_is_put_back(queue: Queue, stranger):
    fresh, old = (claimed(queue, stranger.pid, ago, seconds=0.1) for ago in (1, 61))
    queue.scheduler.tick()
    assert queue.job(fresh.id).pid == stranger.pid
    assert queue.states(old.id) == ["queued"]  # one computes at a time
    assert queue.cancel(fresh.id).state == "cancelled"
    assert queue.ended(old.id).state == "done"
    assert stranger.poll() is None


def test_a_process_of_which_nobody_knows_does_nothing(queue: Queue):
    job = queue.catalog.add(record_of(Busy(seconds=0.1)))
    pid, _ = start(queue.settings, job.id)
    until(lambda: is_gone(psutil.Process(pid)) if psutil.pid_exists(pid) else True)
    assert (queue.states(job.id), progress_of(queue.settings, job.id)) == (["queued"], None)


def test_the_one_who_submitted_is_killed_and_the_job_goes_on(queue: Queue):
    code = """
        import sys, time
        from sam_hub.config import Settings
        from sam_hub.jobs.scheduler import Scheduler
        from sam_hub.services.context import AppContext
        from tests.jobs.busy import Busy
        context = AppContext(Settings(home=sys.argv[1], offline=True))
        print(Scheduler(context).submit(Busy(seconds=1)).id, flush=True)
        time.sleep(60)
    """
    lines = "\n".join(line[8:] for line in code.splitlines())
    command = [sys.executable, "-c", lines, str(queue.settings.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as submitter:
        number = int(submitter.stdout.readline())
        os.killpg(submitter.pid, signal.SIGKILL)
    queue.scheduler.tick()
    assert queue.at_work(number).state == "running"
    assert is_alive(queue.job(number))
    assert queue.ended(number).result["events"] == 20


def test_a_later_process_of_the_same_number_is_not_taken_for_the_job(queue: Queue, stranger):
    started = psutil.Process(stranger.pid).create_time() - 100
    values = {"pid": stranger.pid, "pid_started": started, "started_at": datetime.now(UTC)}
    running, other = (queue.catalog.add(record_of(Busy(), state="running", **values)) for _ in range(2))
    assert not is_alive(running)
    assert queue.cancel(running.id).state == "cancelled"
    queue.scheduler.tick()
    assert queue.states(other.id) == ["interrupted"]
    assert stranger.poll() is None


def test_a_clock_that_is_set_by_a_second_does_not_make_a_living_process_a_dead_one(queue: Queue, stranger):
    started = psutil.Process(stranger.pid).create_time() + 1
    assert is_alive(record_of(Busy(), pid=stranger.pid, pid_started=started))


def test_the_hub_that_a_job_started_for_all_survives_its_cancel(queue: Queue):
    settings = Settings(home=queue.settings.home, endpoint="embedded")
    shared = Queue(queue.catalog, settings)
    number = shared.submit(UseHub())
    try:
        family = family_of(shared.at_work(number))
        (hub,) = [process for process in family if "sam_hub.local_hub" in process.cmdline()]
        began = time.monotonic()
        assert shared.cancel(number).state == "cancelled"
        assert time.monotonic() - began < SOON
        assert [process for process in family if not is_gone(process)] == [hub]
        assert shared_hub(settings.hub)[0] == progress_of(settings, number).what
    finally:
        stop_shared_hub(settings.hub)
