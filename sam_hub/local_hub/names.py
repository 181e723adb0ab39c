"""Which names of repositories, revisions and files the embedded Hub accepts; others are refused with status 400."""

from __future__ import annotations

import re

from sam_hub.local_hub.responses import Refusal

KINDS = ("models", "datasets")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_ROUTES = "api|datasets|uploads|xet"  # first parts of this Hub's own addresses
_REPO = re.compile(rf"(?!(?:{_ROUTES})/)(?!.*(?:--|\.\.|\.git$)){_PART}/{_PART}")
_REF = re.compile(r"(?!refs/|[0-9a-f]{40}$)(?!.*(?:\.\.|//|[/.]$))[A-Za-z0-9_][A-Za-z0-9._/+-]*")
_BAD_PATH = re.compile(r"[\x00-\x1f\x7f\\]|(?:^|/)(?:\.{0,2}|(?i:\.git))(?:/|$)")


def repo_id(id: str) -> str:
    """Return ``owner/name`` as given, by the rules of the real Hub: letters, digits, ``-_.``; 96 characters."""
    if len(id) > 96 or not _REPO.fullmatch(id):
        raise Refusal(400, f"Invalid repository name {id!r}: letters, digits, '-', '_' and '.' only, 96 at most")
    return id


def ref_name(name: str) -> str:
    """Return the name of a branch or tag, as given: one that git takes, and not like a commit's or a full ref."""
    if len(name) > 200 or not _REF.fullmatch(name):
        raise Refusal(400, f"Invalid name of a branch or tag: {name!r}")
    return name


def file_path(path: str) -> str:
    """Return a file's path in its repository, as given: not absolute or climbing, no ``.git``, not too long."""
    if len(path) > 1024 or _BAD_PATH.search(path) or any(len(part.encode()) > 255 for part in path.split("/")):
        raise Refusal(400, f"Invalid file path {path[:300]!r}")
    return path
