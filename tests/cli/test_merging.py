"""What a merge can do beyond the merge: one adapter of it, what each expert adds, and what is kept from the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run
from tests.cli.test_the_main_job import pulled, with_target

__all__ = ["pulled", "with_target"]
Call = Callable[..., Any]


@pytest.fixture
def selected(with_target: Call) -> Call:
    with_target("select", "paris", "--k", "2")
    return with_target


def test_a_merge_is_written_as_one_adapter_too(selected: Call) -> None:
    (made,) = selected("merge", "paris", "--by", "sampling", "--method", "task_arithmetic", "--as-adapter")
    assert (made["adapter"]["exact"], made["adapter"]["rank"]) == (True, 8)
    assert Path(made["adapter"]["path"], "adapter_config.json").is_file()
    (made,) = selected("merge", "paris", "--by", "sampling", "--rank", "2")
    assert (made["adapter"]["exact"], made["adapter"]["rank"]) == (False, 2)
    assert 0 < made["adapter"]["error"] < 1


def test_what_an_adapter_lacks_is_said(selected: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["merge", "paris", "--by", "sampling", "--rank", "2"]) == 0
    said = capsys.readouterr().out
    assert "as one adapter of rank 2:" in said
    assert "of the merge's changes (Frobenius norm); most in model.layers." in said


def test_what_each_expert_adds_is_told_by_votes_and_by_labels(
    selected: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = selected("merge", "paris", "--by", "sampling", "--leave-one-out")
    rows = made["contributions"]["rows"]
    assert rows[0]["without"] == "the whole merge"
    assert {row["without"] for row in rows[1:]} == {ref.split("@")[0] for ref in made["experts"]}
    whole, *others = rows
    assert whole["change"] is None
    for row in others:
        assert row["change"] == pytest.approx(row["agreement"] - whole["agreement"])
        assert row["f1_change"] == pytest.approx(row["f1"] - whole["f1"])
    assert run(["merge", "paris", "--by", "sampling", "--leave-one-out"]) == 0
    assert "What each expert adds to the merge by sampling: strict F1 with the" in capsys.readouterr().out


def test_what_each_expert_adds_needs_a_choice_of_several(
    with_target: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    with_target("select", "paris", "--k", "1")
    code, said = failing("merge", "paris", "--by", "sampling", "--leave-one-out")
    assert code == 2
    assert "is the only expert that sampling chose" in said
    code, said = failing("merge", "--expert", "acme/ner-law", "--leave-one-out")
    assert code == 2
    assert "a target's own choices" in said


def test_experts_are_weighed_by_their_scores(
    with_target: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    with_target("select", "paris", "--k", "2", "--by", "similarity")
    (plan,) = with_target("merge", "paris", "--by", "similarity", "--by-score", "--dry-run")
    assert sum(plan["weights"]) == pytest.approx(2, abs=1e-3)
    assert plan["weights"][0] != plan["weights"][1]
    code, said = failing("merge", "--by-score", "--expert", "acme/ner-law")
    assert code == 2
    assert "exclude each other" in said


def test_a_merge_that_failed_the_check_is_pushed_by_force_alone(
    selected: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    (made,) = selected("merge", "paris", "--by", "sampling")
    assert made["problems"] == []
    file = Path(made["path"], "gate.json")
    verdict = json.loads(file.read_text())
    file.write_text(json.dumps({**verdict, "problems": ["it answers in riddles"]}))
    code, said = failing("push", "paris", "--by", "sampling", "--repo", "acme/paris")
    assert code == 1
    assert "failed the check after the merge: it answers in riddles" in said
    assert "--force" in said
    assert selected("push", "paris", "--by", "sampling", "--repo", "acme/paris", "--force")["commit"]


def test_a_merge_that_takes_too_long_is_given_up_and_leaves_nothing(
    selected: Call, home: Path, failing: Callable[..., tuple[int, str]]
) -> None:
    code, said = failing("merge", "paris", "--by", "sampling", "--timeout", "0.2")
    assert code == 1
    assert "took more than" in said
    assert list((home / "merges").iterdir()) == []
