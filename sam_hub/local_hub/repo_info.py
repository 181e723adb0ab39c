"""How repositories, files and commits look in the Hub's JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from sam_hub.local_hub import card as cards
from sam_hub.local_hub.blobs import BlobStore, lfs_pointer
from sam_hub.local_hub.responses import entry_not_found
from sam_hub.local_hub.storage import Commit, Entry, Repository

_OF_CONFIG = ("architectures", "model_type", "auto_map")
_OF_ADAPTER = ("base_model_name_or_path", "task_type", "peft_type")


def describe(
    repository: Repository, blobs: BlobStore, revision: str = "main", *, sizes: bool = False
) -> dict[str, Any]:
    """Return everything about a repository at a revision; ``sizes`` adds them to its files."""
    commit = repository.commit_of(revision)
    card = cards.card_data(blobs, commit)
    described = {
        "_id": hashlib.sha1(repository.id.encode(), usedforsecurity=False).hexdigest()[:24],
        "id": repository.id,
        "author": repository.id.split("/")[0],
        "sha": commit.id,
        "createdAt": repository.created,
        "lastModified": commit.date,
        "private": repository.private,
        "gated": repository.gated or False,
        "disabled": False,
        "downloads": repository.downloads,
        "likes": 0,  # the embedded Hub has no pages on which to like
        "tags": cards.derived_tags(card, commit),
        "cardData": card,
        "siblings": [_sibling(entry, sizes) for entry in commit.files.values()],
        "usedStorage": sum(entry.size for entry in commit.files.values()),
    }
    if repository.kind == "models":
        config, adapter = (cards.small_json(blobs, commit, name) for name in ("config.json", "adapter_config.json"))
        shown = {key: config[key] for key in _OF_CONFIG if key in config}
        peft = {"peft": {key: adapter.get(key) for key in _OF_ADAPTER}} if adapter else {}
        described |= {"modelId": repository.id, "config": {**shown, **peft}}
        if library := cards.library(card, commit):
            described["library_name"] = library
        described |= {key: card[key] for key in ("pipeline_tag", "model-index") if card.get(key)}
    return described


def _sibling(entry: Entry, sizes: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": entry.path}
    if sizes:
        sibling |= {"size": entry.size, "blobId": entry.oid}
        if entry.lfs:
            sibling["lfs"] = {"sha256": entry.sha256, **_lfs_size(entry)}
    return sibling


def _lfs_size(entry: Entry) -> dict[str, int]:
    return {"size": entry.size, "pointerSize": len(lfs_pointer(entry.sha256, entry.size))}


def _file_item(entry: Entry) -> dict[str, Any]:
    """A file as trees show it."""
    item: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": entry.path}
    if entry.lfs:
        item["lfs"] = {"oid": entry.sha256, **_lfs_size(entry)}
    return item


def _folder_item(path: str, inside: Iterable[Entry]) -> dict[str, Any]:
    listing = "\n".join(f"{entry.path}\0{entry.oid}" for entry in inside)
    oid = hashlib.sha1(listing.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def tree(commit: Commit, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Return the files and folders in ``folder`` ("" for all)."""
    prefix = f"{folder}/" if folder else ""
    inside = [entry for path, entry in commit.files.items() if path.startswith(prefix)]
    if folder and not inside:
        raise entry_not_found(folder, commit.id)
    folders: dict[str, list[Entry]] = {}
    files = []
    for entry in inside:
        parts = entry.path[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(2, len(parts))):
            folders.setdefault(prefix + "/".join(parts[:depth]), []).append(entry)
        if recursive or len(parts) == 1:
            files.append(_file_item(entry))
    items = [_folder_item(path, entries) for path, entries in folders.items()] + files
    return sorted(items, key=lambda item: item["path"])


def path_items(commit: Commit, paths: list[str]) -> list[dict[str, Any]]:
    """Return the files and folders of these paths; those that do not exist are left out."""
    items = []
    for path in paths:
        if path in commit.files:
            items.append(_file_item(commit.files[path]))
        elif inside := [entry for name, entry in commit.files.items() if name.startswith(f"{path}/")]:
            items.append(_folder_item(path, inside))
    return items


def with_last_commit(items: Sequence[dict[str, Any]], repository: Repository, commit: Commit) -> list[dict[str, Any]]:
    """Return the items, each with the commit that last changed it."""
    dated = []
    for item in items:
        last = _last_change(repository, commit, item["path"])
        dated.append({**item, "lastCommit": {"id": last.id, "title": last.title, "date": last.date}})
    return dated


def _last_change(repository: Repository, commit: Commit, path: str) -> Commit:
    def state(at: Commit) -> list[Entry]:
        return [entry for name, entry in at.files.items() if name == path or name.startswith(f"{path}/")]

    last, wanted = commit, state(commit)
    for older in repository.history(commit.id):
        if state(older) != wanted:
            break
        last = older
    return last


def commit_item(commit: Commit, *, formatted: bool = False) -> dict[str, Any]:
    """Return a commit as histories show it."""
    item: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "date": commit.date,
        "authors": [{"user": commit.author}],
    }
    if formatted:
        item["formatted"] = {"title": commit.title, "message": commit.message}
    return item
