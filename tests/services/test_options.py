"""Options are read from plain values, as the API and the jobs give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sam_hub.errors import UsageError
from sam_hub.services.options import By, SelectOptions, TargetOptions, options_from


def test_words_and_lists_become_members_and_tuples() -> None:
    options = options_from(SelectOptions, {"target": "paris", "by": "sampling", "k": "auto", "experts": ["law"]})
    assert options == SelectOptions("paris", by=By.sampling, k="auto", experts=("law",))


def test_a_path_means_the_same_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = options_from(TargetOptions, {"name": "paris", "corpus": "texts", "labels": ["person"]})
    assert options.corpus == tmp_path / "texts"


@pytest.mark.parametrize(("wrong", "message"), [({"samples": 20}, "no option 'samples'"), ({"by": "chance"}, "'by'")])
def test_what_can_not_be_used_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"(?=.*SelectOptions).*{message}"):
        options_from(SelectOptions, {"target": "paris", **wrong})
