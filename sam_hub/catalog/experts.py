"""Bases and experts: added, found by name, listed with filters in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, and_, or_, text, update
from sqlmodel import col, select

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
        stored = known.sqlmodel_update(base.model_dump(exclude={"id", "added_at"})) if known else base
        session.add(stored)
        session.flush()
        by_name = and_(col(Expert.base_sha256).is_(None), col(Expert.base_repo) == stored.repo)
        tuned_from_it = or_(col(Expert.base_sha256) == stored.weights_sha256, by_name)
        session.exec(update(Expert).where(tuned_from_it).values(base_id=stored.id))
        return stored


def get_base(catalog: Catalog, name: str) -> Base:
    """Return the base of this repo (or the end of its name), as last added."""
    bases = {base.repo: base for base in list_bases(catalog)}
    return bases[resolve(name, list(bases), "base", f"{LISTING} --bases")]


def list_bases(catalog: Catalog) -> list[Base]:
    """Return all bases, by name; of one name, the last added at the end."""
    return catalog.all(select(Base).order_by(col(Base.repo), col(Base.id)))


def base_of(catalog: Catalog, expert: Expert) -> Base:
    """Return the base from which an expert was tuned: the one last added with its weights, else with its name.

    Raises:
        InputError: the base is not in the catalog.
    """
    base = catalog.first(select(Base).join(Expert).where(Expert.id == expert.id))
    if base is None:
        raise InputError(
            f"The base of {expert.repo}, {expert.base_repo}, is not in the catalog",
            f"Run `sam-hub pull {expert.repo}`.",
        )
    return base


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
        stored = known.sqlmodel_update({**given, "current": True}) if known else Expert(**given)
        sha256 = stored.base_sha256
        same = Base.weights_sha256 == sha256 if sha256 else Base.repo == stored.base_repo
        stored.base_id = session.exec(select(Base.id).where(same).order_by(col(Base.id).desc())).first()
        session.add(stored)
        return stored


def folder_on_disk(path: str | None, name: str, pulled_with: str | None = None) -> Path:
    """Return the folder of a model, which must be there; a base is pulled with one of its experts."""
    if not path or not Path(path).is_dir():
        raise InputError(f"{name} is not on disk", f"Run `sam-hub pull {pulled_with or name}` first.")
    return Path(path)


def place_expert(catalog: Catalog, expert_id: int, path: Path, size_bytes: int) -> Expert:
    """Note where an expert's files lie now, and how large they are."""
    with catalog.writing() as session:
        return session.get_one(Expert, expert_id).sqlmodel_update({"path": str(path), "size_bytes": size_bytes})


def get_expert(catalog: Catalog, name: str | int) -> Expert:
    """Return one expert: by id, ``repo``, the end of a repo's name, or ``repo@commit`` (7 digits of it suffice)."""
    if isinstance(name, int) or name.isdecimal():
        return catalog.get(Expert, int(name))
    wanted, _, commit = name.partition("@")
    at_commit = col(Expert.commit).startswith(commit, autoescape=True)
    which: ColumnElement[bool] = at_commit if commit else col(Expert.current).is_(True)
    query = select(Expert).where(which)
    experts = catalog.all(query.where(Expert.repo == wanted))
    if not experts:
        # The repos that end as was typed are found in SQL; all of them where none does, to suggest from.
        repos = select(Expert.repo).where(which).distinct()
        near = catalog.all(repos.where(col(Expert.repo).iendswith(wanted, autoescape=True))) or catalog.all(repos)
        experts = catalog.all(query.where(Expert.repo == resolve(wanted, near, "expert", LISTING)))
    if len(experts) > 1:
        raise CatalogError(f"'{name}' matches several commits", "Write more digits of the commit.")
    return experts[0]


def resolve_experts(catalog: Catalog, names: Sequence[str]) -> list[Expert]:
    """Return the experts of these names (or ids), in their order, each once."""
    return list({expert.repo: expert for expert in (get_expert(catalog, name) for name in names)}.values())


def experts_at(catalog: Catalog, refs: Collection[str]) -> list[Expert]:
    """Return the experts of these ``repo@commit``, by repo, whether they are current or were updated since."""
    repos = {ref.partition("@")[0] for ref in refs}
    experts = catalog.all(select(Expert).where(col(Expert.repo).in_(repos)).order_by(Expert.repo))
    return [expert for expert in experts if expert.ref in refs]


def list_experts(catalog: Catalog, query: ExpertQuery | None = None) -> list[Expert]:
    """Return the current experts that fit a query; all of them, by repository, without one."""
    sql, values = experts_sql(query or ExpertQuery(), "expert.*")
    with catalog.session() as session:
        return list(session.scalars(select(Expert).from_statement(text(sql)), values))
