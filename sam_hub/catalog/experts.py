"""Bases and experts: added, found by name, listed with filters in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, text, update
from sqlmodel import Session, col, select

from sam_hub.catalog.engine import Catalog
from sam_hub.catalog.names import resolve
from sam_hub.catalog.queries import ExpertQuery, experts_sql
from sam_hub.catalog.tables import Base, Expert, ExpertCreate
from sam_hub.errors import CatalogError, InputError

LISTING = "sam-hub list"


def add_base(catalog: Catalog, base: Base) -> Base:
    """Add a base, or renew what is known of it; the experts that were tuned from it are linked to it."""
    with catalog.writing() as session:
        known = session.exec(select(Base).where(Base.repo == base.repo, Base.commit == base.commit)).first()
        stored = _renew(known, base.model_dump(exclude={"id", "added_at"})) if known else base
        session.add(stored)
        session.flush()
        session.exec(
            update(Expert)
            .where(
                or_(
                    col(Expert.base_sha256) == stored.weights_sha256,
                    and_(col(Expert.base_sha256).is_(None), col(Expert.base_repo) == stored.repo),
                )
            )
            .values(base_id=stored.id)
        )
        return stored


def get_base(catalog: Catalog, name: str) -> Base:
    """The base of this repo (or the end of its name), as last added.

    Raises:
        CatalogError: none or several fit.
    """
    with catalog.session() as session:
        repos = session.exec(select(Base.repo).distinct()).all()
        repo = resolve(name, repos, "base", f"{LISTING} --bases")
        return session.exec(select(Base).where(Base.repo == repo).order_by(col(Base.id).desc()).limit(1)).one()


def list_bases(catalog: Catalog) -> list[Base]:
    """All bases, by name."""
    with catalog.session() as session:
        return list(session.exec(select(Base).order_by(col(Base.repo), col(Base.id))))


def add_expert(catalog: Catalog, expert: ExpertCreate) -> Expert:
    """Add an expert and make it its repo's current one.

    Adding the same commit again renews what is known of it, under the same id: what was computed with it
    stays valid. Where it lies on disk is kept unless a new place is given.
    """
    given = expert.model_dump()
    with catalog.writing() as session:
        known = session.exec(select(Expert).where(Expert.repo == expert.repo, Expert.commit == expert.commit)).first()
        if known and expert.path is None:
            given["path"] = known.path
        session.exec(update(Expert).where(col(Expert.repo) == expert.repo).values(current=False))
        stored = _renew(known, {**given, "current": True}) if known else Expert(**given)
        stored.base_id = _base_id(session, stored)
        session.add(stored)
        return stored


def _renew(row: Any, values: dict[str, Any]) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    return row


def _base_id(session: Session, expert: Expert) -> int | None:
    """The base last added with the weights that the expert records, or with its name where it records none."""
    same = Base.weights_sha256 == expert.base_sha256 if expert.base_sha256 else Base.repo == expert.base_repo
    return session.exec(select(Base.id).where(same).order_by(col(Base.id).desc())).first()


def base_of(catalog: Catalog, expert: Expert) -> Base:
    """Return the base from which an expert was tuned: the one last added with its weights, else with its name.

    Raises:
        InputError: the base is not in the catalog.
    """
    with catalog.session() as session:
        base = session.exec(select(Base).join(Expert).where(Expert.id == expert.id)).first()
    if base is None:
        raise InputError(
            f"The base of {expert.repo}, {expert.base_repo}, is not in the catalog",
            f"Run `sam-hub pull {expert.repo}`.",
        )
    return base


def place_expert(catalog: Catalog, expert_id: int, path: Path, size_bytes: int) -> Expert:
    """Note where an expert's files lie now, and how large they are."""
    with catalog.writing() as session:
        expert = _by_id(session, expert_id)
        expert.path, expert.size_bytes = str(path), size_bytes
        return expert


def get_expert(catalog: Catalog, name: str | int) -> Expert:
    """One expert: by id, ``repo``, the end of a repo's name, or ``repo@commit`` (7 digits of it suffice).

    Raises:
        CatalogError: none or several fit; the message shows the nearest names.
    """
    with catalog.session() as session:
        if isinstance(name, int) or name.isdecimal():
            return _by_id(session, int(name))
        wanted, _, commit = name.partition("@")
        which: Any = col(Expert.commit).startswith(commit, autoescape=True) if commit else col(Expert.current)
        found = session.exec(select(Expert).where(Expert.repo == wanted, which)).all()
        if not found:
            repo = resolve(wanted, _candidates(session, wanted, which), "expert", LISTING)
            found = session.exec(select(Expert).where(Expert.repo == repo, which)).all()
        if len(found) > 1:
            raise CatalogError(f"'{name}' could be several commits", "Write more digits of the commit.")
        return found[0]


def experts_at(catalog: Catalog, refs: Collection[str]) -> list[Expert]:
    """The experts of these ``repo@commit``, by repo, whether they are current or were updated since."""
    query = select(Expert).where(col(Expert.repo).in_({ref.partition("@")[0] for ref in refs}))
    with catalog.session() as session:
        return [expert for expert in session.exec(query.order_by(Expert.repo)) if expert.ref in refs]


def _candidates(session: Session, wanted: str, which: ColumnElement[bool]) -> Sequence[str]:
    """The repos that end as was typed, found in SQL; all of them where none does, to suggest from."""
    query = select(Expert.repo).where(which).distinct()
    return session.exec(query.where(col(Expert.repo).iendswith(wanted, autoescape=True))).all() or (
        session.exec(query).all()
    )


def _by_id(session: Session, expert_id: int) -> Expert:
    expert = session.get(Expert, expert_id)
    if expert is None:
        raise CatalogError(f"No expert with the id {expert_id} in the catalog", f"`{LISTING}` shows what is there.")
    return expert


def list_experts(catalog: Catalog, query: ExpertQuery | None = None) -> list[Expert]:
    """Return the current experts that fit a query; all of them, by repository, without one.

    Raises:
        UsageError: there is no such sort.
    """
    sql, values = experts_sql(query or ExpertQuery(), "expert.*")
    with catalog.session() as session:
        statement = select(Expert).from_statement(text(sql))
        return list(session.scalars(statement, values))
