"""What the embedded Hub answers when it can't do what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

_MESSAGE_LIMIT = 500


class Refusal(Exception):
    """A request that ends in an HTTP error. Whatever handles a request may raise it.

    Args:
        message: one line, shown to the person by the client.
        code: ``X-Error-Code``, by which huggingface_hub chooses its exception.
        body: more fields of the JSON body.
        headers: more headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.body, self.headers = dict(body or {}), dict(headers or {})

    def response(self) -> Response:
        """Return the answer, with the headers over plain HTTP that huggingface_hub relies on."""
        headers = {**self.headers, "X-Error-Message": _header_safe(self.message)}
        if self.code:
            headers["X-Error-Code"] = self.code
        message = self.message.encode("utf-8", "replace").decode()
        return JSONResponse({"error": message, **self.body}, self.status, headers)


def repo_not_found(status: int = 404) -> Refusal:
    """Return the refusal for a repository that does not exist, or is private: the two look the same."""
    return Refusal(status, "Repository not found", "RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    """Return the refusal for a branch, tag or commit that the repository does not have."""
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str, commit: str) -> Refusal:
    """Return the refusal for a file or folder that the commit does not have."""
    return Refusal(404, f"Entry not found: {path}", "EntryNotFound", headers={"X-Repo-Commit": commit})


def _header_safe(text: str) -> str:
    """Headers hold one line of Latin-1, and clients give up on a long one."""
    shown = text[:_MESSAGE_LIMIT].encode("ascii", "backslashreplace").decode("ascii")
    return "".join(character if character.isprintable() else " " for character in shown)
