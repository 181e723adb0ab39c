"""What pyproject.toml says of the package is what the code needs and holds."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OPTIONAL = {"pandas"}  # asked for where it is used, with the command that installs it


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_packages() -> set[str]:
    names: set[str] = set()
    for file in (path for folder in ("sam_hub", "tui") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"sam_hub", "tui"}


def test_everything_that_is_imported_is_declared() -> None:
    lines = PROJECT["project"]["dependencies"]
    declared = {normal(re.split(r"[<>=\[ ]", line)[0]) for line in lines}
    known = packages_distributions()
    missing = {
        name
        for name in imported_packages() - OPTIONAL
        if not {normal(distribution) for distribution in known.get(name, [name])} & declared
    }
    assert missing == set()


def test_what_ci_tests_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines if "==" in line}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["test"], *extras["docs"]]
    assert {normal(re.split(r"[<>=\[ ]", line)[0]) for line in wanted} - pinned == set()
