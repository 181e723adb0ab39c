"""Jobs run within the limits of their queues, one after the other, with nobody looking."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.jobs import list_jobs
from sam_hub.catalog.tables import Job
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, UsageError
from sam_hub.jobs.process import is_alive
from sam_hub.jobs.progress import LOG, JobProgress, job_folder, log_tail, progress_of
from tests.jobs.busy import Busy
from tests.jobs.conftest import Queue, until
from tests.jobs.services import Download, NeverCleanedUp, Unforeseen, UseToken


def test_a_job_runs_and_its_result_its_log_and_its_progress_are_there(queue: Queue):
    number = queue.submit(Busy(seconds=0.3))
    assert (queue.job(number).state, queue.job(number).title) == ("running", "busy")
    job = queue.ended(number)
    assert (job.state, job.result["events"], job.error_title) == ("done", 6, None)
    assert job.created_at <= job.started_at < job.ended_at
    first, *_, last = log_tail(queue.settings, number)
    assert first.endswith("UTC  busy")
    assert last == "event 6 of 6"
    progress = progress_of(queue.settings, number)
    assert progress == JobProgress("busy", 6, 6, "", pytest.approx(0.3, abs=0.3))
    until(lambda: not is_alive(job))


def test_one_computes_and_two_download_the_others_wait_and_follow_by_themselves(queue: Queue):
    compute = [queue.submit(Busy(seconds=0.3)) for _ in range(2)]
    network = [queue.submit(Download(seconds=0.5)) for _ in range(3)]
    assert queue.states(*compute) == ["running", "queued"]
    assert queue.states(*network) == ["running", "running", "queued"]
    most = {"compute": 0, "network": 0}

    def all_done() -> bool:
        jobs = list_jobs(queue.catalog)  # reads: no look at the queue starts anything here
        for name in most:
            running = [job for job in jobs if job.queue == name and job.state == "running"]
            most[name] = max(most[name], len(running))
        return all(job.state == "done" for job in jobs)

    until(all_done)
    assert most == {"compute": 1, "network": 2}


def test_many_who_look_at_once_start_a_job_once(queue: Queue):
    job = queue.catalog.add(Job(kind=Busy.KIND, title="once", arguments={"seconds": 0.2}, queue="compute"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: queue.scheduler.tick(), range(8)))
    assert queue.ended(job.id).state == "done"
    log = (job_folder(queue.settings, job.id) / LOG).read_text()
    assert log.count("UTC  once") == 1


def test_a_queued_job_is_cancelled_without_ever_starting(queue: Queue):
    running, waiting = queue.submit(Busy(seconds=60)), queue.submit(Busy(seconds=60))
    job = queue.cancel(waiting)
    assert (job.state, job.pid, job.started_at) == ("cancelled", None, None)
    assert not job_folder(queue.settings, waiting).exists()
    assert queue.states(running) == ["running"]


def test_cancelling_a_job_makes_place_for_the_next(queue: Queue):
    first, second = queue.submit(Busy(seconds=60)), queue.submit(Busy(seconds=0.2))
    queue.cancel(first)
    assert queue.states(first, second) == ["cancelled", "running"]
    assert queue.ended(second).state == "done"


def test_a_failing_job_keeps_what_went_wrong_what_to_do_and_its_log(queue: Queue):
    number = queue.submit(Busy(seconds=0.2, fail="The corpus [/tmp] is empty"))
    job = queue.ended(number)
    assert (job.state, job.result) == ("failed", None)
    assert (job.error_title, job.error_action) == ("The corpus [/tmp] is empty", "Take another one.")
    assert log_tail(queue.settings, number)[-1] == "Error: The corpus [/tmp] is empty. Take another one."


def test_a_bug_is_told_with_the_path_of_the_log_which_holds_the_traceback(queue: Queue):
    number = queue.submit(Unforeseen())
    job = queue.ended(number)
    assert job.state == "failed"
    assert "ZeroDivisionError: division by zero" in job.error_title
    log = job_folder(queue.settings, number) / LOG
    assert str(log) in job.error_action
    assert "Traceback" in log.read_text()


def test_a_job_of_another_version_fails_with_what_to_do(queue: Queue):
    job = queue.catalog.add(Job(kind="levitate", title="levitate", arguments={}, queue="local"))
    queue.scheduler.tick()
    job = queue.ended(job.id)
    assert (job.state, job.error_title) == ("failed", "There is no task 'levitate'")
    with pytest.raises(CatalogError, match="levitate"):
        queue.scheduler.retry(job.id)


def test_a_killed_job_is_interrupted_at_the_next_look_and_ends_well_when_retried(queue: Queue, tmp_path):
    file = tmp_path / "model"
    number = queue.submit(Busy(seconds=0.8, leave=str(file)))
    os.kill(queue.at_work(number).pid, signal.SIGKILL)
    until(lambda: not is_alive(queue.job(number)))
    assert (queue.states(number), file.read_text()) == (["running"], "half")
    queue.scheduler.tick()
    job = queue.job(number)
    assert job.state == "interrupted"
    assert f"sam-hub jobs retry {number}" in job.error_action
    assert not file.exists()
    again = queue.scheduler.retry(number)
    assert (again.id, again.state) == (number + 1, "running")
    assert queue.ended(again.id).state == "done"
    assert (queue.states(number), file.read_text()) == (["interrupted"], "whole")


def test_files_that_cannot_be_swept_do_not_hold_up_the_queue(queue: Queue):
    number, following = queue.submit(NeverCleanedUp(seconds=60)), queue.submit(Busy(seconds=0.1))
    os.kill(queue.at_work(number).pid, signal.SIGKILL)
    until(lambda: not is_alive(queue.job(number)))
    queue.scheduler.tick()
    assert queue.states(number, following) == ["interrupted", "running"]


def test_a_job_that_cannot_be_started_fails_with_what_to_do(queue: Queue):
    queue.settings.home.joinpath("jobs").write_text("not a folder")
    job = queue.job(queue.submit(Busy(seconds=0.1)))
    assert (job.state, job.pid) == ("failed", None)
    assert "jobs" in f"{job.error_title} {job.error_action}"


def test_a_jobs_files_are_for_its_owner_alone(queue: Queue):
    number = queue.submit(Busy(seconds=0.1))
    queue.ended(number)
    folder = job_folder(queue.settings, number)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "log.txt": 0o600,
        "progress.json": 0o600,
    }


def test_a_job_of_the_demos_home_does_not_go_to_the_catalog_of_the_persons_own(queue: Queue, tmp_path, monkeypatch):
    monkeypatch.setenv("SAM_HUB_DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    assert queue.settings.database_url is None  # as `demo_settings` makes them
    assert queue.ended(queue.submit(Busy(seconds=0.1))).state == "done"


def test_a_job_that_runs_is_not_retried(queue: Queue):
    number = queue.submit(Busy(seconds=60))
    with pytest.raises(UsageError, match=f"Job {number} is running"):
        queue.scheduler.retry(number)


def test_removing_deletes_ended_jobs_with_their_folders_and_no_other(queue: Queue):
    done, kept = queue.submit(Unforeseen()), queue.submit(Download(seconds=60))
    queue.ended(done)
    queue.at_work(kept)
    assert queue.scheduler.remove([]) == []
    assert queue.scheduler.remove([kept]) == []
    assert queue.scheduler.remove() == [done]
    assert [job.id for job in list_jobs(queue.catalog)] == [kept]
    assert [folder.name for folder in (queue.settings.home / "jobs").iterdir()] == [str(kept)]


def test_the_token_reaches_the_job_and_is_written_nowhere(tmp_path):
    token = "hf_secretsecretsecret"
    settings = Settings(home=tmp_path / "home", offline=True, token=token)
    with open_catalog(settings.catalog_url) as catalog:
        queue = Queue(catalog, settings)
        job = queue.ended(queue.submit(UseToken()))
        assert (job.state, job.result) == ("done", {"length": len(token)})
    files = [file for file in settings.home.rglob("*") if file.is_file()]
    assert {"catalog.db", "log.txt", "progress.json"} <= {file.name for file in files}
    assert [file for file in files if token.encode() in file.read_bytes()] == []
