"""Progress is cheap to report, never old, and never half; a log's tail is clean text."""

from __future__ import annotations

import time

import pytest

from sam_hub.config import Settings
from sam_hub.jobs.progress import LOG, PROGRESS, JobProgress, JobReporter, job_folder, log_tail, progress_of
from tests.jobs.busy import Busy
from tests.jobs.conftest import Queue, until


@pytest.fixture
def folder(settings: Settings):
    made = job_folder(settings, 1)
    made.mkdir(parents=True)
    return made


def stamp(file):
    """What changes whenever the file is written."""
    status = file.stat()
    return status.st_ino, status.st_mtime_ns


def test_a_thousand_reports_a_second_are_written_ten_times_a_second_at_most(queue: Queue):
    number = queue.submit(Busy(seconds=2, events_per_second=1000))
    queue.at_work(number)
    file = job_folder(queue.settings, number) / PROGRESS
    seen, read = set(), []
    began = time.monotonic()
    while queue.job(number).state == "running":
        seen.add(stamp(file))
        read.append(progress_of(queue.settings, number))
        time.sleep(0.005)
    assert 2 <= len(seen) <= 10 * (time.monotonic() - began) + 2
    assert all(read)  # never half a file
    assert [p.done for p in read] == sorted(p.done for p in read)
    assert progress_of(queue.settings, number).done == 2000  # the end is not lost


def test_reports_of_ever_new_things_are_written_no_oftener(folder):
    report, seen, began = JobReporter(folder), set(), time.monotonic()
    while time.monotonic() - began < 0.5:
        report.progress(f"{time.monotonic()} MB", 1, 1)
        seen.add(stamp(folder / PROGRESS))
    assert 2 <= len(seen) <= 10 * (time.monotonic() - began) + 1


def test_the_latest_report_is_written_though_the_work_falls_silent(settings, folder):
    report = JobReporter(folder)
    report.progress("read the corpus", 0, 2)
    report.progress("load the model", 1, 2)
    assert progress_of(settings, 1).what == "read the corpus"
    until(lambda: progress_of(settings, 1).what == "load the model")


def test_at_the_end_the_latest_report_is_written_at_once(settings, folder):
    report = JobReporter(folder)
    report.progress("merge", 0, 2)
    report.progress("merge", 2, 2)
    report.finish()
    assert progress_of(settings, 1) == JobProgress("merge", 2, 2, "", pytest.approx(0, abs=0.1))


def test_progress_that_cannot_be_written_does_not_fail_the_work(tmp_path):
    JobReporter(tmp_path / "not there").progress("merge", 1, 2)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"what": "x"}', '{"other": 1}'])
def test_progress_that_cannot_be_read_is_none(settings, folder, content):
    (folder / PROGRESS).write_text(content)
    assert progress_of(settings, 1) is None


def test_a_job_that_has_not_begun_has_no_progress_and_no_log(settings):
    assert (progress_of(settings, 1), log_tail(settings, 1)) == (None, [])


def test_the_tail_of_a_log_has_no_control_characters_and_no_bars_that_were_painted_over(settings, folder):
    text = "begin\n\n  0%|   |\r 50%|##  |\r100%|####|\n\x1b[31mred\x1b[0m \x07and [/bold] 好\n"
    (folder / LOG).write_bytes(text.encode() + b"cut \xff\n")
    assert log_tail(settings, 1) == ["begin", "100%|####|", " [31mred [0m  and [/bold] 好", "cut \ufffd"]


def test_the_tail_of_a_long_log_is_its_last_lines(settings, folder):
    (folder / LOG).write_text("".join(f"line {number} {'x' * 90}\n" for number in range(10_000)))
    assert [line.split()[1] for line in log_tail(settings, 1, 3)] == ["9997", "9998", "9999"]
