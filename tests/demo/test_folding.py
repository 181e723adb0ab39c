"""The base that reads label sets has the weights that the experts were trained on, on any machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_hub.demo.base import make_base
from sam_hub.demo.folding import SHA256, fold_generalist
from sam_hub.errors import UnusableModel
from sam_hub.hub.weights import weights_sha256

pytestmark = pytest.mark.slow


def test_the_generalist_base_has_the_hash_that_the_experts_record(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    with pytest.raises(UnusableModel, match="does not have the expected weights"):
        fold_generalist(base, tmp_path / "folded", sha256="0" * 64)
    assert [folder.name for folder in tmp_path.iterdir()] == ["base"]
    folded = fold_generalist(base, tmp_path / "folded")
    assert weights_sha256(folded) == SHA256
    assert {file.name for file in folded.iterdir()} == {file.name for file in base.iterdir()}
    assert fold_generalist(base, folded) == folded
