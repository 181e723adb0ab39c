"""Which names of repositories, revisions and files the embedded Hub accepts."""

from __future__ import annotations

import re

from sam_hub.local_hub.responses import Refusal

_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ROUTES = ("api", "datasets", "uploads", "xet")  # first parts of this Hub's own addresses
KINDS = ("models", "datasets")


def repo_id(owner: str, name: str) -> str:
    """Return ``owner/name``.

    Raises:
        Refusal: 400, the rules of the real Hub are broken (letters, digits, ``-_.``; 96 characters).
    """
    whole = f"{owner}/{name}"
    good = _PART.fullmatch(owner) and _PART.fullmatch(name) and len(whole) <= 96 and owner not in _ROUTES
    if not good or "--" in whole or ".." in whole or whole.endswith(".git"):
        raise Refusal(400, f"Invalid repository name {whole!r}: letters, digits, '-', '_' and '.' only, 96 at most")
    return whole


def ref_name(name: str) -> str:
    """Return the name of a branch or tag, as given.

    Raises:
        Refusal: 400, not a name git would take, or one that is taken for a commit or a full ref.
    """
    if (
        not _REVISION.fullmatch(name)
        or _COMMIT.fullmatch(name)
        or name.startswith("refs/")
        or len(name) > 200
        or ".." in name
        or "//" in name
        or name.endswith(("/", "."))
    ):
        raise Refusal(400, f"Invalid name of a branch or tag: {name!r}")
    return name


def is_commit(revision: str) -> bool:
    """Return whether this is the whole SHA of a commit."""
    return _COMMIT.fullmatch(revision) is not None


def text(value: object) -> str:
    """Return what a request holds, as text.

    Raises:
        Refusal: 400, it holds half of a character (a lone surrogate), which no answer could repeat.
    """
    shown = str(value)
    try:
        shown.encode()
    except UnicodeEncodeError as error:
        raise Refusal(400, f"This is not valid Unicode: {shown[:100]!r}") from error
    return shown


def file_path(path: str) -> str:
    """Return a file's path in its repository, as given.

    Raises:
        Refusal: 400, absolute, climbing, a ``.git`` part, control characters, or too long.
    """
    parts = text(path).split("/")
    bad = (
        not path
        or len(path) > 1024
        or "\\" in path
        or _CONTROL.search(path)
        or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
        or any(len(part.encode()) > 255 for part in parts)
    )
    if bad:
        raise Refusal(400, f"Invalid file path {path[:300]!r}")
    return path
