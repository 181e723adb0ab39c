"""One command trains a folder of recipes: it goes on where it stopped, and past what fails."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sam_hub.errors import InputError, UsageError
from sam_hub.services.context import AppContext
from sam_hub.services.options import TrainOptions
from sam_hub.services.training import plan_queue, run_queue
from sam_hub.training.trainer import CHECKPOINT, RECORD, WEIGHTS
from tests.support import tiny_models
from tests.support.reporters import Recorder
from tests.training.conftest import recipe

NAMES = ("ner-a", "ner-b", "ner-c")


@pytest.fixture
def queue(base, data, tmp_path) -> TrainOptions:
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name in NAMES:
        write(folder, name, examples=104)
    options = TrainOptions(tmp_path / "experts", str(base), queue=folder, data_root=data)
    return replace(options, base_repo="owner/base", device="cpu", threads=1, test_sentences=2)


def write(folder, name, **changes) -> None:
    (folder / f"{name}.json").write_text(json.dumps(recipe(name=name, **changes).as_dict()))


def states(queue) -> list[str]:
    return [f"{expert.name} {expert.state}" for expert in queue]


@pytest.mark.slow
def test_a_stopped_queue_goes_on_where_it_was_and_ends_with_whole_experts(queue):
    def stop(step) -> None:  # as Ctrl+C does
        if step.what.startswith("train ner-b") and step.done == 51:
            raise KeyboardInterrupt

    context = AppContext()
    plan = plan_queue(context, queue)
    assert states(plan) == ["ner-a to train", "ner-b to train", "ner-c to train"]
    assert not any(expert.seconds for expert in plan)  # nothing was measured yet
    assert not queue.out.exists()
    with pytest.raises(KeyboardInterrupt):
        run_queue(context, queue, Recorder(stop))
    assert (queue.out / "ner-b" / CHECKPOINT).is_file()
    plan = plan_queue(context, queue)
    assert states(plan) == ["ner-a finished", "ner-b to continue", "ner-c to train"]
    measured = json.loads((queue.out / "ner-a" / RECORD).read_text())["seconds"]
    assert [expert.seconds for expert in plan] == pytest.approx([0, measured, measured])  # of as many steps
    (queue.out / "ner-a" / "sam_hub.json").unlink()
    assert states(plan_queue(context, queue))[0] == "ner-a to evaluate"
    weights = (queue.out / "ner-a" / WEIGHTS).stat().st_mtime_ns
    recorder = Recorder()
    assert states(run_queue(context, queue, recorder)) == [f"{name} finished" for name in NAMES]
    trained = {(step.what.split()[1].rstrip(","), step.done) for step in recorder.steps if step.unit == "steps"}
    assert trained == {("ner-b", 51), ("ner-b", 52)} | {("ner-c", n) for n in range(1, 53)}
    assert (queue.out / "ner-a" / WEIGHTS).stat().st_mtime_ns == weights
    about = json.loads((queue.out / "ner-b" / "sam_hub.json").read_text())
    assert about["scores"]["Travel"][0]["name"] == "ner-b"
    again = Recorder()
    run_queue(context, queue, again)
    assert not again.steps


def test_what_fails_stops_no_other_and_is_named(queue, base, tmp_path):
    write(queue.queue, "ner-a", examples=2, data=[{"folder": "absent"}])
    (queue.queue / "ner-b.json").write_text("{")
    write(queue.queue, "ner-c", examples=2)
    recorder, context = Recorder(), AppContext()
    assert states(plan_queue(context, queue)) == ["ner-a to train", "ner-b failed", "ner-c to train"]
    done = run_queue(context, queue, recorder)
    assert states(done) == ["ner-a failed", "ner-b failed", "ner-c finished"]
    assert "absent" in done[0].reason
    assert "ner-b.json" in done[1].reason
    write(queue.queue, "ner-c", examples=4)
    assert "another recipe" in plan_queue(context, queue)[2].reason
    write(queue.queue, "ner-c", examples=2)
    other = tiny_models.tiny_base(tmp_path / "other", seed=9)
    assert "another base" in plan_queue(context, replace(queue, base=str(other)))[2].reason
    (queue.out / "ner-a" / ".checkpoint").mkdir(parents=True)
    assert "another version" in plan_queue(context, queue)[0].reason


def test_a_queue_needs_recipes_of_different_names_and_takes_no_options_of_one(queue, tmp_path):
    context = AppContext()
    with pytest.raises(UsageError, match="--queue can't be combined with --keep"):
        plan_queue(context, replace(queue, keep=("person",)))
    with pytest.raises(InputError, match="no recipes"):
        plan_queue(context, replace(queue, queue=tmp_path / "absent"))
    (queue.queue / "copy.json").write_text((queue.queue / "ner-a.json").read_text())
    with pytest.raises(InputError, match="two recipes with the name ner-a"):
        plan_queue(context, queue)


def test_a_folder_that_holds_something_else_stops_only_its_own_recipe(queue):
    for name, content in (("ner-a", "no JSON"), ("ner-b", "{}")):
        (queue.out / name).mkdir(parents=True)
        (queue.out / name / "sam_hub.json").write_text(content)
    plan = plan_queue(AppContext(), queue)
    assert states(plan) == ["ner-a failed", "ner-b failed", "ner-c to train"]
    assert all("sam_hub.json can't be read" in expert.reason for expert in plan[:2])
