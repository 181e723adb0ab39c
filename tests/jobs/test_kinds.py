"""Every kind of job names a service, its options and its outcome by words: all of them are there."""

from __future__ import annotations

from dataclasses import is_dataclass
from importlib import import_module

import pytest

from sam_hub.jobs.kinds import TASKS


@pytest.mark.parametrize("kind", TASKS)
def test_what_a_kind_of_job_names_is_there(kind: str) -> None:
    task = TASKS[kind]
    module = import_module(task.module)
    assert is_dataclass(getattr(module, task.options))
    assert is_dataclass(getattr(module, task.outcome))
    assert callable(getattr(module, task.function))
    assert task.clean_up is None or callable(getattr(module, task.clean_up))
