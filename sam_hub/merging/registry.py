"""mergekit's registry of methods, as plain values: with which parameters, and for how many models.

For the release that ``methods.json`` was written for, it is read from there: mergekit itself brings torch, which takes
over a second, also to say that a name is misspelt. Another release is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("methods.json")
KINDS: Mapping[str, Any] = {
    "float": float,
    "int": int,
    "bool": bool,
    "float or none": float | None,
    "any": Any,
}


@dataclass(frozen=True)
class Parameter:
    """One of a method's parameters; ``kind`` is one of :data:`KINDS`, ``default`` None where it must be given."""

    name: str
    kind: str
    required: bool
    default: Any

    def validate(self, value: Any) -> None:
        """Raises: pydantic.ValidationError, where mergekit would."""
        from pydantic import TypeAdapter

        TypeAdapter(KINDS[self.kind]).validate_python(value)


@dataclass(frozen=True)
class Method:
    """A method: what its base is to it (mergekit's ``BasePolicy``), and how many models it takes at least and at most,
    with the base and without."""

    name: str
    parameters: tuple[Parameter, ...]
    base: str
    inputs: tuple[int, int | None]
    others: tuple[int | None, int | None]

    def count_problem(self, inputs: int, *, with_base: bool) -> str | None:
        """Why it can't take so many models, of which one may be the base; None if it can."""
        for (least, most), count in ((self.inputs, inputs), (self.others, inputs - with_base)):
            if count < (least or 0):
                return f"it takes {least} at least"
            if most is not None and count > most:
                return f"it takes {most} at most"
        return None


@cache
def methods() -> Mapping[str, Method]:
    """Every method of the installed mergekit, by name, sorted."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    if kept["mergekit"] != version("mergekit"):
        return ask_mergekit()
    return {
        row["name"]: Method(
            row["name"],
            tuple(Parameter(**parameter) for parameter in row["parameters"]),
            row["base"],
            (row["inputs"][0], row["inputs"][1]),
            (row["others"][0], row["others"][1]),
        )
        for row in kept["methods"]
    }


def ask_mergekit() -> Mapping[str, Method]:
    """The same from mergekit itself."""
    from mergekit.merge_methods import registered_methods

    kinds = {kind: name for name, kind in KINDS.items()}
    found = {}
    for spec in sorted((method.spec for method in registered_methods()), key=lambda spec: spec.name):
        contract = spec.contract
        found[spec.name] = Method(
            spec.name,
            tuple(
                Parameter(
                    one.name,
                    kinds.get(one.value_type, "any"),
                    one.required,
                    None if one.required else one.default,
                )
                for one in spec.parameters
            ),
            contract.base.value,
            (contract.min_inputs, contract.max_inputs),
            (contract.min_non_base, contract.max_non_base),
        )
    return found


def write_file() -> None:
    """Write ``methods.json`` anew, for the installed mergekit (``python -m sam_hub.merging.registry``)."""
    rows = [asdict(method) for method in ask_mergekit().values()]
    text = json.dumps({"mergekit": version("mergekit"), "methods": rows}, indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_file()
