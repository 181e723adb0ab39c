"""The parameters of a command are the fields of its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from sam_hub.cli.command import command
from sam_hub.cli.output import AsJson
from sam_hub.services.options import By, Doc

GIVEN: list[Any] = []
APP = typer.Typer()


@dataclass(frozen=True)
class Sample:
    """A field of each kind."""

    name: Annotated[str, Doc("Its name.")]
    labels: Annotated[tuple[str, ...], Doc("Its labels.", "--labels", separator=",")]
    target: Annotated[str | None, Doc("Its target.", "target")] = None
    k: Annotated[int | str, Doc("How many.")] = 3
    by: Annotated[By, Doc("Which.")] = By.both
    weights: Annotated[tuple[float, ...], Doc("A weight.", "--weight")] = ()
    parameters: Annotated[dict[str, Any], Doc("A parameter.", "--set")] = field(default_factory=dict)
    rank: Annotated[int, Doc("At least 0.", minimum=0)] = 0
    named_only: Annotated[bool, Doc("A switch.")] = False
    gold: Annotated[Path | None, Doc("A file.")] = None


@command("sample", group=APP)
def sample(options: Sample, as_json: AsJson = False) -> None:
    """Note the options."""
    GIVEN.append((options, as_json))


def call(*words: str) -> Any:
    result = CliRunner().invoke(APP, list(words))
    return GIVEN.pop() if GIVEN else result


def test_what_is_not_given_has_the_default_of_its_field() -> None:
    assert call("a", "--labels", "x,y") == (Sample("a", ("x", "y")), False)


def test_each_kind_of_field_is_read() -> None:
    words = "a t --labels x --k auto --by sampling --weight 1 --weight 0.5 --set density=0.4 --rank 2 --named-only"
    options = Sample("a", ("x",), "t", "auto", By.sampling, (1.0, 0.5), {"density": 0.4}, 2, True, Path("g.jsonl"))
    assert call(*words.split(), "--gold", "g.jsonl", "--json") == (options, True)
    assert call("a", "--labels", "x", "--k", "5")[0].k == 5


def test_wrong_usage_ends_with_code_two() -> None:
    assert call("a").exit_code == 2
    assert call("a", "--labels", "x", "--rank", "-1").exit_code == 2
    assert "Its labels." in call("--help").output
