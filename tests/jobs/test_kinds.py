"""Every kind of job names a service by words: all of them are there."""

from __future__ import annotations

from dataclasses import is_dataclass
from importlib import import_module

import pytest

from sam_hub.jobs.kinds import TASKS


@pytest.mark.parametrize("kind", TASKS)
def test_what_a_kind_of_job_names_is_there(kind: str) -> None:
    task = TASKS[kind]
    options = task.annotated("options")
    assert is_dataclass(options)
    assert kind == options.KIND
    assert is_dataclass(task.annotated("return"))
    assert task.clean_up is None or callable(getattr(import_module(task.module), task.clean_up))
