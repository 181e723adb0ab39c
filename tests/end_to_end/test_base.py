"""The demo's base from PyPI: what is made of it, and what stays if a person stops the demo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from sam_hub.demo.folding import SHA256, fold_generalist
from sam_hub.errors import UnusableModel
from sam_hub.hub.embedded import stop_shared_hub
from sam_hub.hub.weights import weights_sha256
from sam_hub.tempdirs import has_ended
from tests.end_to_end.conftest import COMMAND


def test_the_generalist_base_has_the_hash_that_the_experts_record(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="does not have the expected weights"):
        fold_generalist(base, tmp_path / "folded", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    folded = fold_generalist(base, tmp_path / "folded")
    assert weights_sha256(folded) == SHA256
    assert {file.name for file in folded.iterdir()} == {file.name for file in base.iterdir()}
    assert fold_generalist(base, folded) == folded


def test_ctrl_c_leaves_no_process_but_the_homes_hub_and_nothing_half_written(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "demo" / "base" / base.name, copy_function=os.link)
    demo = subprocess.Popen(
        COMMAND, env={**os.environ, "SAM_HUB_HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True
    )
    said: list[str] = []
    for line in demo.stderr:  # stop it in the middle of the experts' work on the sample
        said += line.split()
        if "with every expert" in " ".join(said):  # wherever a line is broken
            break
    time.sleep(3)
    family = psutil.Process(demo.pid).children(recursive=True)
    demo.send_signal(signal.SIGINT)
    message = demo.stderr.read()
    assert demo.wait(timeout=60) == 130
    assert "Interrupted" in message, " ".join(said) + message
    hub = json.loads((tmp_path / "demo" / "hub" / "server.json").read_text(encoding="utf-8"))["pid"]
    assert [p.pid for p in psutil.wait_procs(family, timeout=10)[1]] == [hub]  # it serves whoever comes next
    stop_shared_hub(tmp_path / "demo" / "hub")
    assert has_ended(hub)
    half = [p for p in (tmp_path / "demo").rglob("*") if p.name.startswith((".pull-", ".push-", ".base-"))]
    assert [*half, *(tmp_path / "demo").rglob("*.partial")] == []
