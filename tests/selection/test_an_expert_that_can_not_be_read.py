"""One expert of many is broken: it stands in the ranking with the reason, and the others are ranked all the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sam_hub.catalog import tables
from sam_hub.catalog.experts import add_expert, list_bases
from sam_hub.catalog.history import latest_selection
from sam_hub.errors import InputError, UnusableModel
from sam_hub.inference.models import load_model, with_adapter
from sam_hub.ner.readers import read_corpus
from sam_hub.progress import Progress
from sam_hub.selection.service import expert_descriptor, repeat_votes
from sam_hub.services.context import AppContext
from sam_hub.services.options import SelectOptions
from sam_hub.services.selection import run_selection
from tests.support.reporters import Recorder

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def cut_short(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def another_rank(folder: Path) -> None:
    change(folder, r=3)


def no_number(folder: Path) -> None:
    change(folder, lora_alpha="sixteen")


def no_rank(folder: Path) -> None:
    change(folder, r=None)


def change(folder: Path, **values: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, **values}))


def broken(context, tmp_path: Path, damage, name: str = "two") -> None:
    """A fourth expert joins, so that enough are left to vote; then one is a damaged copy of itself."""
    if not any(e.repo == "owner/four" for e in context.experts):
        values = context.experts[0].model_dump(exclude={"id", "added_at"})
        four = tables.ExpertCreate(**{**values, "repo": "owner/four", "commit": "f" * 40})
        context.experts.append(add_expert(context.catalog, four))
    expert = next(e for e in context.experts if e.repo == f"owner/{name}")
    copy = tmp_path / "broken" / name
    shutil.copytree(expert.path, copy)
    damage(copy)
    with context.catalog.writing() as session:
        session.get(tables.Expert, expert.id).path = str(copy)


def select(context, **options):
    """The work as commands and jobs do it: its result, and the lines of its log."""
    reporter = Recorder()
    with AppContext(context.settings) as here:
        made = run_selection(here, SelectOptions(context.target.name, **options), reporter)
    return made, reporter.lines


@pytest.mark.parametrize("damage", [cut_short, no_weights, another_rank, no_number, no_rank])
def test_the_others_are_ranked_and_it_is_not_chosen_and_has_no_vote(context, tmp_path, damage):
    whole, _ = select(context, by="sampling", k=3, experts=("owner/one", "owner/three"))
    broken(context, tmp_path, damage)
    made, said = select(context, by="sampling", k=4)
    ranking = made.rankings["sampling"].ranking
    last = ranking.rows[-1]
    assert {row.expert for row in ranking.rows} == {f"owner/{n}" for n in ("one", "two", "three", "four")}
    assert (last.expert, last.score, last.low, last.high) == ("owner/two", None, None, None)
    assert last.note.startswith("failed to predict: ")
    assert made.rankings["sampling"].chosen
    assert "owner/two" not in made.rankings["sampling"].chosen
    assert "owner/two" not in ranking.parameters["agreement"]
    assert any(line.startswith("owner/two failed to predict, so it has no vote: ") for line in said)
    kept = latest_selection(context.catalog, context.target.id, "sampling")
    assert kept.ranking[-1]["expert"] == "owner/two"
    # Those who were asked are on clean weights afterwards: they say what they said before it was broken.
    votes = repeat_votes(context.catalog, context.target, kept, settings=context.settings)
    assert set(votes.predictions) == {"owner/one", "owner/three", "owner/four"}
    assert whole.rankings["sampling"].ranking.parameters["agreement"]["owner/one"] == {
        "owner/three": ranking.parameters["agreement"]["owner/one"]["owner/three"]
    }


def test_an_expert_in_a_format_that_is_not_known_here_is_one_of_them(context, tmp_path):
    broken(context, tmp_path, lambda folder: None)
    with context.catalog.writing() as session:
        session.get(tables.Expert, context.experts[1].id).prompt_format = "riddles"
    made, _ = select(context, by="sampling", k=1)
    row = made.rankings["sampling"].ranking.rows[-1]
    assert row.expert == "owner/two"
    assert "was trained with the prompt format 'riddles', which this version does not know" in row.note


def test_it_is_not_chosen_for_its_text_either(context, tmp_path):
    broken(context, tmp_path, cut_short)
    corpus = read_corpus(Path(context.target.corpus_path))
    for expert in context.experts:
        expert_descriptor(context.catalog, expert, context.settings, corpus)
    made, _ = select(context, k=4, min_vote_ratio=0)
    assert "owner/two" not in made.rankings["similarity"].chosen
    rows = {row.expert: row for row in made.rankings["similarity"].ranking.rows}
    assert "failed to predict: " in rows["owner/two"].note
    assert len(made.rankings["similarity"].chosen) == 3


def test_where_too_few_are_left_the_error_names_those_that_failed_and_why(context, tmp_path):
    names = ("one", "two", "three")
    for name in names:
        broken(context, tmp_path, no_weights, name)
    with pytest.raises(InputError, match="Only 1 of 1 experts cover") as error:
        select(context, by="sampling")
    assert all(f"owner/{name} failed to predict: " in str(error.value) for name in names)
    with pytest.raises(InputError, match="All 3 experts failed to predict") as error:
        select(context, by="sampling", experts=tuple(f"owner/{name}" for name in names))
    assert all(f"owner/{name} failed to predict: " in str(error.value) for name in names)
    assert latest_selection(context.catalog, context.target.id, "sampling") is None


def test_a_base_that_can_not_be_read_ends_it(context, tmp_path):
    (base,) = list_bases(context.catalog)
    copy = tmp_path / "base"
    shutil.copytree(base.path, copy)
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with context.catalog.writing() as session:
        session.get(tables.Base, base.id).path = str(copy)
    with pytest.raises(UnusableModel, match="base can't be loaded"):
        select(context, by="sampling")


def test_a_base_that_is_lost_while_an_expert_is_asked_is_not_held_against_the_expert(context, tmp_path):
    """Its weights could not be put back: whoever is asked next would answer on others."""
    from sam_hub.inference.models import LostBase

    (base,) = list_bases(context.catalog)
    copy = tmp_path / "base"
    shutil.copytree(base.path, copy)
    loaded = load_model(copy, device="cpu")
    with pytest.raises(LostBase, match="can't be read again"), with_adapter(loaded, Path(context.experts[0].path)):
        (copy / "model.safetensors").write_bytes(b"")


def test_a_stop_by_the_person_is_no_failure_of_an_expert(context):
    def stop(step: Progress) -> None:
        if step.what.startswith("owner/"):
            raise KeyboardInterrupt

    with AppContext(context.settings) as here, pytest.raises(KeyboardInterrupt):
        run_selection(here, SelectOptions(context.target.name, by="sampling"), Recorder(stop))


def test_the_command_line_shows_it_with_the_reason(context, tmp_path, monkeypatch, capsys):
    from sam_hub.cli import run

    broken(context, tmp_path, cut_short)
    monkeypatch.setenv("SAM_HUB_HOME", str(context.settings.home))
    for more in ((), ("--explain",)):
        assert run(["select", "town", "--by", "sampling", "--k", "1", *more]) == 0
        shown = capsys.readouterr()
        assert "failed to predict: " in " ".join(shown.out.split())
        assert "owner/two failed to predict, so it has no vote: " in shown.err


def test_a_full_model_that_can_not_be_loaded_is_one_of_them(context, tmp_path):
    (base,) = list_bases(context.catalog)
    folder = tmp_path / "full"
    shutil.copytree(base.path, folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    values = context.experts[0].model_dump(exclude={"id", "added_at"})
    full = {"repo": "owner/full", "commit": "e" * 40, "kind": "full", "path": str(folder)}
    add_expert(context.catalog, tables.ExpertCreate(**{**values, **full}))
    made, _ = select(context, by="sampling", k=4)
    row = made.rankings["sampling"].ranking.rows[-1]
    assert (row.expert, "can't be loaded as a language model" in row.note) == ("owner/full", True)
    assert len(made.rankings["sampling"].chosen) == 3
