"""What a merge can do beyond the merge: one adapter of it, what each expert adds, and what is kept from the Hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_hub.cli import run

Call = Callable[..., Any]
RAW = ("merge", "paris", "--by", "sampling", "--no-validate")  # votes of tiny models are chance


def test_a_merge_is_written_as_one_adapter_too(selected: Call) -> None:
    (made,) = selected(*RAW, "--method", "task_arithmetic", "--as-adapter")
    assert (made["adapter"]["exact"], made["adapter"]["rank"]) == (True, 8)
    assert Path(made["adapter"]["path"], "adapter_config.json").is_file()
    (made,) = selected(*RAW, "--rank", "2")
    assert (made["adapter"]["exact"], made["adapter"]["rank"]) == (False, 2)
    assert 0 < made["adapter"]["error"] < 1


def test_what_an_adapter_lacks_is_said(selected: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*RAW, "--rank", "2"]) == 0
    said = capsys.readouterr().out
    assert "As one adapter of rank 2:" in said
    assert "of the merge's changes (Frobenius norm); most in model.layers." in said


def test_what_each_expert_adds_is_told_by_votes_and_by_labels(
    selected: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = selected(*RAW, "--leave-one-out")
    rows = made["contributions"]["rows"]
    assert rows[0]["without"] == "the whole merge"
    assert {row["without"] for row in rows[1:]} == {ref.split("@")[0] for ref in made["experts"]}
    whole, *others = rows
    assert whole["change"] is None
    for row in others:
        assert row["change"] == pytest.approx(row["agreement"] - whole["agreement"])
        assert row["f1_change"] == pytest.approx(row["f1"] - whole["f1"])
    assert run([*RAW, "--leave-one-out"]) == 0
    assert "What each expert adds to the merge by sampling: strict F1 against" in capsys.readouterr().out


def test_what_each_expert_adds_needs_a_choice_of_several_and_is_refused_before_the_merge(
    with_target: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    with_target("select", "paris", "--k", "1")
    code, said = failing(*RAW, "--leave-one-out")
    assert code == 2
    assert "is the only expert that sampling chose" in said
    assert with_target("list", "--merges") == []
    code, said = failing("merge", "--expert", "acme/ner-law", "--leave-one-out")
    assert code == 2
    assert "--leave-one-out needs a target" in said


def test_experts_are_weighed_by_their_scores(with_target: Call, failing: Callable[..., tuple[int, str]]) -> None:
    with_target("select", "paris", "--k", "2", "--by", "similarity")
    (plan,) = with_target("merge", "paris", "--by", "similarity", "--by-score", "--dry-run")
    assert sum(plan["weights"]) == pytest.approx(2, abs=1e-3)
    assert plan["weights"][0] != plan["weights"][1]
    code, said = failing("merge", "--by-score", "--expert", "acme/ner-law")
    assert code == 2
    assert "can't be combined" in said


def test_a_merge_that_failed_the_check_is_pushed_by_force_alone(
    selected: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    (made,) = selected(*RAW)
    assert made["problems"] == []
    file = Path(made["path"], "sanity_check.json")
    verdict = json.loads(file.read_text())
    file.write_text(json.dumps({**verdict, "problems": ["it answers in riddles"]}))
    code, said = failing("push", "paris", "--by", "sampling", "--repo", "acme/paris")
    assert code == 1
    assert "failed the sanity check: it answers in riddles" in said
    assert "--force" in said
    assert selected("push", "paris", "--by", "sampling", "--repo", "acme/paris", "--force")["commit"]


def test_a_merge_that_takes_too_long_is_given_up_and_leaves_nothing(
    selected: Call, home: Path, failing: Callable[..., tuple[int, str]]
) -> None:
    code, said = failing(*RAW, "--timeout", "0.01")
    assert code == 1
    assert "took more than" in said
    assert list((home / "merges").iterdir()) == []


def test_a_stable_merge_is_another_one_and_refused_where_nothing_is_trimmed(
    selected: Call, failing: Callable[..., tuple[int, str]]
) -> None:
    (plain,), (stable,) = (selected(*RAW, "--set", "density=0.5", "--dry-run", *more) for more in ((), ("--stable",)))
    assert "--stable" in stable["configuration"]
    assert "--stable" not in plain["configuration"]
    code, said = failing("merge", "paris", "--method", "linear", "--stable")
    assert code == 2
    assert "'linear' does not trim" in said


def test_the_plan_tells_what_the_check_after_an_earlier_merge_has_found(
    selected: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    (plan,) = selected(*RAW, "--dry-run")
    assert plan["problems"] is None
    (made,) = selected(*RAW)
    (plan,) = selected(*RAW, "--dry-run")
    assert plan["problems"] == made["problems"] == []
    _fail_the_check(Path(made["path"]))
    capsys.readouterr()
    assert run([*RAW, "--dry-run"]) == 0
    assert "failed the sanity check: it says nothing" in capsys.readouterr().out


def test_the_card_tells_what_the_check_has_found(selected: Call) -> None:
    from sam_hub.catalog.targets import get_target
    from sam_hub.evaluation.publication import publication_of, write_card
    from sam_hub.services.context import AppContext

    (made,) = selected(*RAW)
    catalog = AppContext().catalog
    about = publication_of(catalog, get_target(catalog, "paris"), "sampling")
    assert "## Check\n\nIt loads, all its numbers are finite" in write_card(catalog, about, "me/paris")
    _fail_the_check(Path(made["path"]))
    assert "**It failed the sanity check:** it says nothing." in write_card(catalog, about, "me/paris")


def _fail_the_check(folder: Path) -> None:
    file = folder / "sanity_check.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "problems": ["it says nothing"]}))


def test_merges_that_no_selection_needs_are_deleted_and_can_be_made_again(
    selected: Call, failing: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (needed,) = selected(*RAW, "--leave-one-out")
    plan = selected("remove", "--merge", "unused", "--dry-run")
    assert len(plan["merges"]) == 2
    assert not plan["removed"]
    assert all(Path(merge["path"]).is_dir() for merge in plan["merges"])
    capsys.readouterr()
    assert run(["remove", "--merge", "unused", "--yes"]) == 0
    assert "Deleted. Freed" in capsys.readouterr().out
    assert list(Path(needed["path"]).parent.iterdir()) == [Path(needed["path"])]
    assert selected("remove", "--merge", "unused", "--dry-run")["merges"] == []
    (again,) = selected(*RAW, "--leave-one-out")
    assert again["contributions"] == needed["contributions"]
    code, said = failing("remove", "--merge", "4711", "--yes")
    assert code == 1
    assert "No merge '4711'" in said
    code, said = failing("remove", "--yes")
    assert code == 2
    assert "Name an expert, or use --merge, but not both." in said


def test_a_merge_is_pushed_as_one_adapter_that_loads_with_peft(
    selected: Call, failing: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    from peft import PeftConfig

    from sam_hub.services.context import AppContext

    selected(*RAW)
    push = ("push", "paris", "--by", "sampling", "--repo", "me/small", "--adapter")
    code, said = failing(*push)
    assert code == 1
    assert "This merge has no adapter" in said
    selected(*RAW, "--rank", "4")
    weights = Path(selected("list", "--merges")[0]["path"], "adapter", "adapter_model.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    code, said = failing(*push)
    assert (code, "or the adapter is damaged" in said) == (1, True)
    weights.write_bytes(whole)
    pushed = selected(*push)
    names = {file["path"] for file in pushed["files"]}
    assert {"adapter_model.safetensors", "adapter_config.json", "README.md"} <= names
    assert "model.safetensors" not in names
    folder = AppContext().hub.api().snapshot_download("me/small", cache_dir=tmp_path)
    assert PeftConfig.from_pretrained(folder).r == 4
    card = Path(folder, "README.md").read_text()
    assert "base_model_relation: adapter" in card
    assert "one LoRA adapter of rank 4, the nearest of its rank: it lacks" in card
    assert "AutoPeftModelForCausalLM" in card


def test_a_merge_that_nobody_checked_is_pushed_by_force_alone(
    selected: Call, failing: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = selected(*RAW)
    Path(made["path"], "sanity_check.json").unlink()
    push = ("push", "paris", "--by", "sampling", "--repo", "me/paris")
    code, said = failing(*push)
    assert code == 1
    assert "was not checked since its weights were written. Merge again to check it" in said
    commit = selected(*push, "--force")["commit"]
    (listed,) = selected("list", "--merges")
    assert [(push["repo"], push["commit"]) for push in listed["pushes"]] == [("me/paris", commit)]
    capsys.readouterr()
    assert run(["list", "--merges"]) == 0
    assert f"me/paris at {commit[:8]}" in capsys.readouterr().out


def test_what_was_made_to_compare_with_takes_no_selections_place(selected: Call) -> None:
    from sam_hub.catalog.targets import get_target
    from sam_hub.merging.service import merges_for
    from sam_hub.services.context import AppContext

    first, second = (ref.split("@")[0] for ref in selected("merge", "paris", "--dry-run")[0]["experts"])
    selected("choose", "paris", first, "--by", "similarity")
    (alone,) = selected("merge", "paris", "--by", "similarity", "--no-validate")
    (both,) = selected(*RAW, "--method", "linear", "--leave-one-out")
    assert {row["without"] for row in both["contributions"]["rows"][1:]} == {first, second}
    catalog = AppContext().catalog
    found = merges_for(catalog, get_target(catalog, "paris"))
    assert {name: merge.path for name, merge in found.items()} == {
        "similarity": alone["path"],
        "sampling": both["path"],
    }


def test_what_answers_is_said_and_a_newer_merge_that_is_gone(
    selected: Call, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    selected(*RAW)
    (newer,) = selected(*RAW, "--set", "density=0.7")
    capsys.readouterr()
    assert run(["list", "--merges"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("sampling") == 1
    assert "density 0.7" in shown
    shutil.rmtree(newer["path"])
    assert run(["predict", "paris", str(texts / "corpus.txt")]) == 0
    said = capsys.readouterr().err
    assert "by sampling, merge 1: ties (density 1" in said
    assert "density 0.7" in said.partition("was made later, and is no longer on disk")[0]
    assert run(["remove", "acme/ner-law", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Would remove:\nacme/ner-law@")
    assert "It is chosen for paris by" in shown


def test_a_merge_that_failed_the_check_does_not_take_the_place_of_one_that_passed(
    selected: Call, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (good,) = selected(*RAW)
    (bad,) = selected(*RAW, "--method", "linear")
    _fail_the_check(Path(bad["path"]))
    assert run(["predict", "paris", str(texts / "corpus.txt")]) == 0
    said = capsys.readouterr().err
    assert "by sampling, merge 1: ties" in said
    passed_over = "Merge 1 stays in use: the newer merge 2 failed the sanity check: it says nothing."
    assert passed_over in said
    assert run([*RAW, "--method", "linear"]) == 0
    said = capsys.readouterr().err
    assert passed_over in said
    assert "push" not in said.partition("Next: ")[2]
    assert run(["evaluate", "paris"]) == 0
    said = capsys.readouterr().err
    assert passed_over in said
    assert "Next: sam-hub push paris --by sampling" in said
    assert _pushed(selected) == good["weights_sha256"]
    assert _pushed(selected, "--force") == bad["weights_sha256"]


def _pushed(sam_hub: Call, *more: str) -> str:
    """The hash of the weights that a push brings to the Hub."""
    from sam_hub.services.context import AppContext

    done = sam_hub("push", "paris", "--by", "sampling", "--repo", "acme/paris", *more)
    (weights,) = AppContext().hub.api().get_paths_info("acme/paris", "model.safetensors", revision=done["commit"])
    return weights.lfs.sha256


def test_where_the_only_merge_failed_the_check_the_base_answers_and_nothing_is_to_be_pushed(
    selected: Call, texts: Path, failing: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = selected(*RAW)
    _fail_the_check(Path(made["path"]))
    for command in (["predict", "paris", str(texts / "corpus.txt")], ["evaluate", "paris"]):
        assert run(command) == 0
        said = capsys.readouterr().err
        assert "no merge by sampling can be used: merge 1 failed the sanity check: it says nothing" in said
        assert "No merge can be used: the untuned base acme/base answers for paris." in said
    code, said = failing("push", "paris", "--by", "sampling", "--repo", "acme/paris")
    assert code == 1
    assert "The merge for paris failed the sanity check: it says nothing. Merge fewer or other experts" in said
    assert run(list(RAW)) == 0
    said = capsys.readouterr().err
    assert "Warning: no merge by sampling can be used: merge 1 failed the sanity check: it says nothing." in said
    assert "Next: choose other experts" in said


def test_a_merge_whose_check_was_interrupted_takes_no_good_ones_place_until_it_is_checked(
    selected: Call, texts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sam_hub.merging import sanity_check

    def stop(*_: object) -> float:
        raise KeyboardInterrupt

    linear = [*RAW, "--method", "linear"]
    with monkeypatch.context() as patch:
        patch.setattr(sanity_check, "parse_rate", stop)
        assert run(linear) == 130
    assert "The merge is complete, but not checked. Run the same command again" in capsys.readouterr().err
    predict = ["predict", "paris", str(texts / "corpus.txt")]
    assert run(predict) == 0
    said = capsys.readouterr().err
    assert "Warning: merge 1 was not checked since its weights were written. To check it, run" in said
    selected(*RAW)
    assert run(predict) == 0
    assert "by sampling, merge 2: ties" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(sanity_check, "parse_rate", stop)
        assert run([*linear, "--set", "normalize=true"]) == 130
    assert run(predict) == 0
    said = capsys.readouterr().err
    assert "by sampling, merge 2: ties" in said
    assert "Merge 2 stays in use: the newer merge 3 was not checked since" in said
    assert run([*linear, "--set", "normalize=true"]) == 0
    assert "already on disk; will be checked" in capsys.readouterr().out
    assert run(predict) == 0
    assert "by sampling, merge 3: linear" in capsys.readouterr().err
