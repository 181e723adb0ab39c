"""Delete the files of merged models. The catalog keeps their recipes and scores: a merge can be made again."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.history import get_merge, list_merges
from sam_hub.catalog.jobs import list_jobs
from sam_hub.catalog.targets import list_targets
from sam_hub.errors import CatalogError
from sam_hub.merging.service import merges_for
from sam_hub.tempdirs import move_aside

UNUSED = "unused"  # in the place of a merge's name
USING = ("merge", "evaluate", "predict", "push")  # kinds of jobs that read merged models


@dataclass(frozen=True)
class DeletionPlan:
    """Whose files go: each merge's id, its experts, its folder, and bytes."""

    merges: tuple[tuple[int, tuple[str, ...], Path, int], ...]

    @property
    def bytes(self) -> int:
        """Of all."""
        return sum(size for *_, size in self.merges)


def plan_deletion(catalog: Catalog, name: str, merges: Path) -> DeletionPlan:
    """Find the merges on disk that are meant. Nothing is touched.

    Args:
        name: a merge's id or the beginning of its recipe's hash; or :data:`UNUSED`, all that no target's latest
            selection stands for (what leaving experts out has made, above all).
        merges: the home's folder of merged models; what lies elsewhere belongs to others and stays.

    Raises:
        CatalogError: there is no such merge.
    """
    if name == UNUSED:
        used = uses(catalog)
        rows = [merge for merge in list_merges(catalog) if merge.id not in used]
    else:
        rows = [get_merge(catalog, name)]
    plans = []
    for row in rows:
        folder = Path(row.path)
        if folder.is_dir() and folder.resolve().parent == merges.resolve():
            size = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
            plans.append((row.id, tuple(item["repo"] for item in row.inputs), folder, size))
    return DeletionPlan(tuple(plans))


def uses(catalog: Catalog) -> dict[int, list[str]]:
    """Return by id what each merge that answers for a target is: words such as "paris by sampling"."""
    words: dict[int, list[str]] = {}
    for target in list_targets(catalog):
        with suppress(CatalogError):  # it has no selection yet
            for method, merge in merges_for(catalog, target, needed=()).items():
                words.setdefault(merge.id, []).append(f"{target.name} by {method}")
    return words


def execute_deletion(catalog: Catalog, plan: DeletionPlan) -> None:
    """Delete the folders of a plan.

    Raises:
        CatalogError: a job that may read one is under way.
        OSError: a folder can't be deleted.
    """
    waiting = list_jobs(catalog, states=("queued", "running", "cancelling"))
    if busy := [job for job in waiting if job.kind in USING]:
        raise CatalogError(f"Job {busy[0].id} ({busy[0].title}) may need merged models", "Wait for it, or cancel it.")
    for *_, folder, _ in plan.merges:
        # Renamed first, so that none is ever half there; `clean_up_merges` finds one that a kill leaves so.
        with suppress(FileNotFoundError):  # another process may be faster
            shutil.rmtree(move_aside(folder))
