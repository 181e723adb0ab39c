"""Removing an expert or a target: planned first, so that a person sees what goes, and executed second."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.experts import LISTING as EXPERTS
from sam_hub.catalog.experts import get_expert
from sam_hub.catalog.history import latest_selections
from sam_hub.catalog.tables import (
    Base,
    Descriptor,
    Evaluation,
    Expert,
    PredictionRun,
    Selection,
    SentencePrediction,
    Target,
)
from sam_hub.catalog.targets import LISTING as TARGETS
from sam_hub.catalog.targets import get_target, unused_copy
from sam_hub.errors import CatalogError
from sam_hub.tempdirs import move_aside


@dataclass(frozen=True)
class RemovalPlan:
    """What removing an expert takes away.

    ``folder`` is the folder that will be deleted, None where no files go; ``kept`` says why they don't. ``counts`` says
    what goes of the catalog. ``chosen_for`` names the targets whose latest selections hold the expert, as "paris by
    sampling".
    """

    expert_id: int
    ref: str
    folder: Path | None
    files: tuple[Path, ...]
    bytes: int
    counts: str
    kept: str | None = None
    chosen_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class TargetRemovalPlan:
    """What removing a target takes away. Merges that were made for it stay, and files outside of the home.

    ``copy`` is the home's copy of its texts, which goes; None where there is none, or another target uses it.
    The models' predictions of single sentences stay, too: a target of the same sentences uses them again.
    ``counts`` says what goes of the catalog.
    """

    target_id: int
    name: str
    copy: Path | None
    counts: str


def plan_removal(catalog: Catalog, name: str | int, models: Path) -> RemovalPlan:
    """Return what would go with this expert. Nothing is touched.

    Args:
        models: the home's models folder; files elsewhere belong to others and stay.
    """
    expert = get_expert(catalog, name)
    kept = _reason_to_keep(catalog, expert, models)
    folder = Path(expert.path).resolve() if expert.path and not kept else None
    files = tuple(sorted(f for f in folder.rglob("*") if f.is_symlink() or f.is_file())) if folder else ()
    chosen_for = [(target, row) for target, row in latest_selections(catalog) if expert.ref in row.chosen]
    return RemovalPlan(
        expert_id=expert.id,
        ref=expert.ref,
        folder=folder,
        files=files,
        bytes=sum(file.lstat().st_size for file in files),
        counts=_counts(catalog, "expert_id", expert.id, descriptor=Descriptor, prediction=SentencePrediction),
        kept=kept,
        chosen_for=tuple(f"{target.name} by {row.method}" for target, row in chosen_for),
    )


def _counts(catalog: Catalog, owner: str, number: int, **tables: Any) -> str:
    """Return in words how many rows of each table, by what they are called, belong to an expert or a target."""
    words = []
    for noun, table in tables.items():
        count = catalog.all(select(func.count()).where(getattr(table, owner) == number))[0]
        words.append(f"{count} {noun}{'' if count == 1 else 's'}")
    return ", ".join(words)


def _reason_to_keep(catalog: Catalog, expert: Expert, models: Path) -> str | None:
    if expert.path is None:
        return "it is not on disk"
    folder, home = Path(expert.path).resolve(), models.resolve()
    if home not in folder.parents:
        return f"its files lie outside of {models}"
    if not folder.is_dir():
        return f"its folder {folder} no longer exists"
    experts = catalog.all(select(Expert.repo, Expert.path).where(Expert.id != expert.id))
    for repo, path in [*experts, *catalog.all(select(Base.repo, Base.path))]:
        if path and Path(path).resolve().is_relative_to(folder):
            return f"{repo} uses the same files"
    return None


def execute_removal(catalog: Catalog, plan: RemovalPlan) -> None:
    """Carry out a plan: the expert's rows go in one transaction, and its folder with them, or neither.

    Raises:
        CatalogError: the expert is gone already.
        OSError: its folder can't be deleted.
    """
    with _deleted(plan.folder), catalog.writing() as session:
        _delete(session, Expert, plan.ref, EXPERTS, col(Expert.id) == plan.expert_id)


def plan_target_removal(catalog: Catalog, name: str) -> TargetRemovalPlan:
    """Return what would go with this target. Nothing is touched."""
    target = get_target(catalog, name)
    of_a_target = {"descriptor": Descriptor, "selection": Selection, "evaluation": Evaluation}
    counts = _counts(catalog, "target_id", target.id, **of_a_target)
    return TargetRemovalPlan(target.id, target.name, unused_copy(catalog, target.corpus_path, target.id), counts)


def execute_target_removal(catalog: Catalog, plan: TargetRemovalPlan) -> None:
    """Carry out a plan: the target's rows go in one transaction, and the copy of its texts with them, or neither.

    Raises:
        CatalogError: the target is gone already.
        OSError: the copy can't be deleted.
    """
    with _deleted(plan.copy), catalog.writing() as session:
        others = session.exec(select(Evaluation.prediction_ids).where(Evaluation.target_id != plan.target_id))
        shared = {number for numbers in others for number in numbers}
        session.exec(  # a target of the same sentences and labels was scored by them, too
            update(PredictionRun).where(col(PredictionRun.id).in_(shared)).values(target_id=None)
        )
        # By name, too: the number of a target that is gone may be another's by now.
        its = (col(Target.id) == plan.target_id, col(Target.name) == plan.name)
        _delete(session, Target, f"The target '{plan.name}'", TARGETS, *its)


def _delete(session: Session, table: type[Any], title: str, listing: str, *its: Any) -> None:
    if not session.exec(delete(table).where(*its)).rowcount:
        raise CatalogError(f"{title} is no longer in the catalog", f"`{listing}` shows what is there.")


@contextmanager
def _deleted(path: Path | None) -> Iterator[None]:
    """Delete a file or folder with what happens inside: aside meanwhile, back where it fails, gone at the end."""
    trash = move_aside(path) if path and path.exists() else None
    try:
        yield
    except BaseException:
        if path and trash:
            trash.rename(path)
        raise
    if trash:
        shutil.rmtree(trash) if trash.is_dir() else trash.unlink()
