"""What was pushed loads with plain transformers and peft in another process: HF_ENDPOINT is all it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sam_hub.hub.client import Hub
from sam_hub.hub.download import plan_pull, pull
from sam_hub.hub.upload import plan_push, push
from tests.support.tiny_models import tiny_adapter, tiny_base

LOAD_BASE = """
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained("acme/base")
tokenizer = AutoTokenizer.from_pretrained("acme/base")
print("logits", float(model(**tokenizer("Marie Curie", return_tensors="pt")).logits.float().sum()))
"""
LOAD_ADAPTER = """
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base = AutoModelForCausalLM.from_pretrained("acme/base")
model = PeftModel.from_pretrained(base, "acme/expert")
tokenizer = AutoTokenizer.from_pretrained("acme/base")
print("logits", float(model(**tokenizer("Marie Curie", return_tensors="pt")).logits.float().sum()))
"""
PUSH_WITH_TRANSFORMERS = """
import sys
from transformers import AutoModelForCausalLM
print("pushed", AutoModelForCausalLM.from_pretrained(sys.argv[1]).push_to_hub("acme/by-transformers").oid)
"""


def _run(hub: Hub, program: str, *arguments: str, token: str | None = None) -> str:
    """A fresh Python with a fresh Hugging Face home; its last line."""
    home = str(hub.cache_dir / "hf-home")
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": home, "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_TOKEN", None)
    if token:
        environment["HF_TOKEN"] = token
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout.strip().splitlines()[-1]


@pytest.fixture
def base(tmp_path: Path, hub: Hub) -> Path:
    folder = tiny_base(tmp_path / "base", dtype="float32")
    push(hub, plan_push(hub, folder, "acme/base", private=False), "The base")
    return folder


def _logits(folder: Path, adapter: Path | None = None) -> float:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    prompt = AutoTokenizer.from_pretrained(folder)("Marie Curie", return_tensors="pt")
    return float(model(**prompt).logits.detach().sum())


def test_a_pushed_model_loads_with_transformers(hub: Hub, base: Path, tmp_path: Path) -> None:
    assert _run(hub, LOAD_BASE) == f"logits {_logits(base)}"
    pulled = pull(hub, plan_pull(hub, "acme/base", "main", tmp_path / "models"))
    assert _logits(pulled) == _logits(base)


def test_a_pushed_adapter_loads_with_peft(hub: Hub, base: Path, tmp_path: Path) -> None:
    adapter = tiny_adapter(base, tmp_path / "expert")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "acme/base"}))
    (adapter / "README.md").write_text("---\nbase_model: acme/base\nlibrary_name: peft\n---\n")
    push(hub, plan_push(hub, adapter, "acme/expert", private=False), "An expert")
    assert _run(hub, LOAD_ADAPTER) == f"logits {_logits(base, adapter)}"


def test_transformers_own_push_works_too(hub: Hub, base: Path) -> None:
    said = _run(hub, PUSH_WITH_TRANSFORMERS, str(base), token=hub.token)
    assert said == f"pushed {hub.api().model_info('acme/by-transformers').sha}"
