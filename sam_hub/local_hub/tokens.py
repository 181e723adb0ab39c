"""Who may log in: tokens of users, of which only hashes are kept, and tickets for uploads, which expire."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from sam_hub.local_hub import GIVEN
from sam_hub.local_hub.responses import Refusal
from sam_hub.local_hub.storage import OWNER, Database, now

ROLES = ("read", "write")
UPLOAD_SECONDS = 6 * 3600
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,47}")


@dataclass(frozen=True)
class Token:
    """A user's way in. ``role``: "read", or "write" to the user's own repositories, the owner's to all."""

    name: str
    user: str
    role: str
    sha256: str
    created: str

    def owns(self, repo_id: str) -> bool:
        """Return whether a repository of this name is the user's, so that it is not private or gated to them."""
        return self.user in (OWNER, repo_id.split("/")[0])

    def may_write(self, repo_id: str) -> bool:
        """Return whether it may change this repository, or make one of this name."""
        return self.role == "write" and self.owns(repo_id)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()  # random, so that no salt is needed


class Tokens:
    """The tokens of one Hub, and one of this process's own.

    The latter is for whoever starts the process, who may give it (in the environment). The Hub keeps it nowhere, and
    it ends with the process.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.session = os.environ.pop(GIVEN, "") or _new_secret()
        self._own = Token("session", OWNER, "write", _hash(self.session), now())

    @cached_property
    def _database(self) -> Database:
        return Database(self._root)

    def all(self) -> list[Token]:
        """Return the tokens that are kept, the oldest first."""
        rows = self._database.run("SELECT * FROM token ORDER BY rowid") if self._root.exists() else []
        return [Token(*row) for row in rows]

    def add(self, name: str, user: str = OWNER, role: str = "write") -> str:
        """Make a token and return it; it can't be had again."""
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(user):
            raise Refusal(400, "Names have letters, digits, '-', '_' and '.', 48 at most")
        if role not in ROLES:
            raise Refusal(400, f"A token's role is one of: {', '.join(ROLES)}")
        secret = _new_secret()
        insert = "INSERT OR IGNORE INTO token VALUES (?, ?, ?, ?, ?) RETURNING 1"
        if not self._database.run(insert, name, user, role, _hash(secret), now()):
            raise Refusal(409, f"A token '{name}' already exists")
        return secret

    def remove(self, name: str) -> None:
        """Remove a token, so that it does not log in any more."""
        if not self._root.exists() or not self._database.run("DELETE FROM token WHERE name = ? RETURNING 1", name):
            raise Refusal(404, f"There is no token '{name}'")

    def find(self, secret: str) -> Token | None:
        """Return the token with this secret, None if there is none."""
        digest = _hash(secret)
        return next((token for token in (self._own, *self.all()) if hmac.compare_digest(token.sha256, digest)), None)


def _new_secret() -> str:
    """Return a random token, in the shape of those of the real Hub."""
    return f"hf_{secrets.token_urlsafe(30).replace('-', 'a').replace('_', 'b')}"


class Tickets:
    """Signed texts, each for one subject. They are of this process, and end with it."""

    def __init__(self) -> None:
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32))

    def issue(self, subject: str, *facts: Any) -> tuple[str, int]:
        """Return a ticket that holds some facts, and when it expires (seconds since 1970)."""
        return str(self._signer.dumps([subject, *facts])), int(time.time()) + UPLOAD_SECONDS

    def facts(self, ticket: str, subject: str, *, refuse_with: int = 403) -> list[Any]:
        """Return the facts in a ticket for this subject; refuse any other one with this status."""
        try:
            named, *facts = self._signer.loads(ticket, UPLOAD_SECONDS)
        except (BadData, ValueError):
            named, facts = None, []
        if named != subject:
            raise Refusal(refuse_with, "This upload address is not valid, or has expired")
        return facts
