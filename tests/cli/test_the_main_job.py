"""A user goes from a search on the Hub to a pushed merge, with commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.cli import run
from tests.cli.conftest import NAMES, Call


def test_the_labelled_file_in_the_folder_of_texts_is_left_out_and_that_is_said(
    sam_hub: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.tiny_hub import CORPUS, GOLD

    folder = tmp_path / "court"
    folder.mkdir()
    (folder / "corpus.txt").write_text(CORPUS)
    (folder / "gold.jsonl").write_text(GOLD)
    options = ["--labels", "person, location", "--gold", str(folder / "gold.jsonl")]
    assert run(["target", "add", "court", str(folder), *options]) == 0
    shown = capsys.readouterr()
    assert f"Target court: {len(CORPUS.splitlines())} sentences" in shown.out
    assert "gold.jsonl is the labeled file: not read as corpus." in shown.err


def test_search_finds_experts_by_base_and_label(sam_hub: Call) -> None:
    assert {m["repo"] for m in sam_hub("search", "ner", "--base", "acme/base")} == set(NAMES)
    assert [m["repo"] for m in sam_hub("search", "--label", "person", "--label", "court")] == []


def test_added_experts_are_pinned_and_listed(sam_hub: Call) -> None:
    added = sam_hub("add", *NAMES)
    assert [len(expert["commit"]) for expert in added] == [40, 40, 40]
    assert [(e["repo"], e["rank"], e["path"]) for e in sam_hub("list")] == [(n, 4, None) for n in NAMES]
    assert [e["repo"] for e in sam_hub("list", "--label", "court")] == ["acme/ner-law"]


def test_a_look_at_an_expert_adds_nothing(sam_hub: Call, capsys: pytest.CaptureFixture[str]) -> None:
    (seen,) = sam_hub("add", NAMES[0], "--dry-run")
    assert (seen["verdict"], seen["kind"], seen["rank"]) == ("usable", "adapter", 4)
    assert run(["add", *NAMES, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(": usable") == 3
    assert "LoRA of rank 4 for acme/base" in shown
    assert sam_hub("list") == []


def test_a_pull_brings_the_base_once(pulled: Call) -> None:
    assert [base["repo"] for base in pulled("list", "--bases")] == ["acme/base"]
    assert all(Path(expert["path"], "adapter_model.safetensors").is_file() for expert in pulled("list"))


def test_what_is_on_disk_is_not_fetched_again_and_a_dry_run_says_so(
    pulled: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pull", NAMES[0], "--dry-run"]) == 0
    assert f"{NAMES[0]} is already on disk" in capsys.readouterr().out


def test_several_jobs_are_one_json_list(pulled: Call) -> None:
    made = pulled("pull", *NAMES, "--background")
    assert [job["title"] for job in made] == [f"pull {name}" for name in NAMES]
    for job in made:
        assert pulled("jobs", "logs", "-f", job["job"])["state"] == "done"


def test_describe_names_the_nearest_experts(with_target: Call) -> None:
    described = with_target("describe", "paris")
    assert described["count"] == 3
    assert set(described["nearest"]) == set(NAMES)


def test_select_merge_predict_evaluate_push(with_target: Call, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    selected = with_target("select", "paris", "--k", "2")
    assert set(selected) == {"similarity", "sampling", "chosen", "uncovered"}
    assert "acme/ner-medicine" not in selected["sampling"]["chosen"]  # it covers none of the labels

    merged = with_target("merge", "paris")
    assert [Path(m["path"], "model.safetensors").is_file() for m in merged] == [True, True]

    (answer,) = with_target("predict", "paris", texts / "gold.jsonl")
    words = {answer["text"][e["start"] : e["end"]] for e in answer["entities"]}
    assert words == {e["text"] for e in answer["entities"]}

    rows = with_target("evaluate", "paris", "--singles")
    assert [row["name"] for row in rows][-3:] == ["merged by similarity", "merged by sampling", "SaM (union)"]
    assert {row["name"] for row in rows} >= {*NAMES, "acme/base (untuned)"}

    planned = with_target("push", "paris", "--by", "sampling", "--repo", "acme/paris", "--dry-run")
    assert planned["creates"]
    assert planned["commit"] is None
    pushed = with_target("push", "paris", "--by", "sampling", "--repo", "acme/paris")
    (added,) = with_target("add", "acme/paris")  # a merge can be used like any expert
    assert added["commit"] == pushed["commit"]
    assert added["labels"] == ["person", "location"]
    monkeypatch.delenv("HF_TOKEN")
    assert with_target("search", "paris") == []  # private by default: only its owner sees it


def test_a_second_selection_asks_no_model(with_target: Call, home: Path) -> None:
    first = with_target("select", "paris", "--by", "sampling", "--k", "1")
    for expert in with_target("list"):
        Path(expert["path"], "adapter_model.safetensors").unlink()
    assert with_target("select", "paris", "--by", "sampling", "--k", "1") == first


def test_a_dry_merge_writes_nothing(with_target: Call, home: Path) -> None:
    with_target("select", "paris", "--k", "2", "--by", "similarity")
    (plan,) = with_target("merge", "paris", "--by", "similarity", "--dry-run", "--set", "density=0.3")
    assert "density: 0.3" in plan["configuration"]
    assert not (home / "merges").exists()


def test_remove_says_what_goes_and_frees_it(pulled: Call, home: Path) -> None:
    plan = pulled("remove", "ner-law", "--dry-run")
    assert Path(plan["folder"]).is_dir()
    assert plan["bytes"] > 0
    pulled("remove", "ner-law", "--yes")
    assert not Path(plan["folder"]).exists()
    assert [e["repo"] for e in pulled("list")] == ["acme/ner-medicine", "acme/ner-news"]


def test_a_target_is_removed_with_its_rankings_and_the_homes_copy_of_its_texts(with_target: Call, home: Path) -> None:
    with_target("select", "paris", "--k", "2", "--by", "similarity")
    plan = with_target("target", "remove", "paris", "--dry-run")
    assert (plan["name"], plan["removed"]) == ("paris", False)
    assert "1 selection" in plan["counts"]
    assert Path(plan["copy"]).exists()
    assert with_target("target", "remove", "paris", "--yes")["removed"]
    assert with_target("target", "list") == []
    assert list((home / "targets").iterdir()) == []


def test_without_a_command_the_command_line_lists_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    assert "  demo " in shown
    assert "opens the terminal UI" in shown


@pytest.mark.parametrize(
    "command",
    [
        "search",
        "add",
        "pull",
        "list",
        "show",
        "remove",
        "describe",
        "select",
        "choose",
        "merge",
        "predict",
        "evaluate",
        "push",
        "train",
        "hub-serve",
        "demo",
    ],
)
def test_every_command_has_help_with_an_example(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "Example: sam-hub" in shown


def test_the_help_shows_each_summary_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines()[1:] if line.endswith("...")]
