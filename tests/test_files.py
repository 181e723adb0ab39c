"""A file is written whole, or the old one stays."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sam_hub.files import write_atomic, write_json


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    write_json(file, {"f1": 0.5})
    write_json(file, {"f1": 0.75, "name": "Gödel"})
    assert file.read_text(encoding="utf-8") == '{\n  "f1": 0.75,\n  "name": "Gödel"\n}\n'
    assert list(tmp_path.iterdir()) == [file]


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    write_atomic(file, "old")
    with pytest.raises(TypeError):
        write_json(file, {"f1": object()})
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_atomic(tmp_path / "token", b"secret", private=True)
    write_atomic(tmp_path / "open", b"text")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) & 0o044 == 0o044
