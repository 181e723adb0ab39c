"""Progress is a bar on a terminal, and lines in a file."""

from __future__ import annotations

import pytest

from sam_hub import progress
from sam_hub.progress import BarReporter


def test_in_a_file_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    logged: list[str] = []
    with BarReporter(logged.append) as reporter:
        for done in range(1, 4):
            reporter.progress("describe acme/ner-law", done, 3, "sentences")
        reporter.log("Described acme/ner-law")
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("describe acme/ner-law:") for line in lines)
    assert "3/3" in lines[-1]
    assert logged == ["Described acme/ner-law"]


def test_short_work_leaves_no_line_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with BarReporter() as reporter:
        for done in range(1, 4):
            reporter.progress("describe acme/ner-law", done, 3, "sentences")
    assert capsys.readouterr().err == ""
