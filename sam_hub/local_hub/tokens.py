"""Who may log in: tokens of users, of which only hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from sam_hub.local_hub import GIVEN
from sam_hub.local_hub.blobs import write_durable
from sam_hub.local_hub.repository import now
from sam_hub.local_hub.responses import Refusal

OWNER = "local"  # may read and write everything
ROLES = ("read", "write")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,47}")


@dataclass(frozen=True)
class Token:
    """A user's way in. ``role``: "read", or "write" to the user's own repositories, the owner's to all."""

    name: str
    user: str
    role: str
    sha256: str
    created: str

    @property
    def is_owners(self) -> bool:
        """Whether it is of the one to whom this Hub belongs."""
        return self.user == OWNER

    def may_write(self, repo_id: str) -> bool:
        """Return whether it may change this repository, or make one of this name."""
        return self.role == "write" and (self.is_owners or repo_id.split("/")[0] == self.user)

    def may_see_private(self, repo_id: str) -> bool:
        """Return whether it may know of this repository though it is private or gated."""
        return self.is_owners or repo_id.split("/")[0] == self.user


def new_secret() -> str:
    """Return a random token, in the shape of those of the real Hub."""
    return f"hf_{secrets.token_urlsafe(30).replace('-', 'a').replace('_', 'b')}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()  # random, so that no salt is needed


class Tokens:
    """Those of one Hub: ``tokens.json`` in its folder, readable by its owner alone, and one of this process's own.

    The latter is for whoever starts the process, who may give it (in the environment); the
    Hub keeps it nowhere, and it ends with the process.
    """

    def __init__(self, root: Path) -> None:
        self._file = root / "tokens.json"
        self.session = os.environ.pop(GIVEN, "") or new_secret()
        self._own = Token("session", OWNER, "write", _hash(self.session), now())

    def all(self) -> list[Token]:
        """Return the tokens that are kept, the oldest first."""
        try:
            return [Token(**row) for row in json.loads(self._file.read_bytes())]
        except FileNotFoundError:
            return []

    def add(self, name: str, user: str = OWNER, role: str = "write") -> str:
        """Make a token; it is returned, and can't be had again.

        Raises:
            Refusal: 400, a name or role that can't be; 409, the name is taken.
        """
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(user):
            raise Refusal(400, "Names have letters, digits, '-', '_' and '.', 48 at most")
        if role not in ROLES:
            raise Refusal(400, f"A token's role is one of: {', '.join(ROLES)}")
        secret = new_secret()
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self._file.with_name(".tokens.lock")):
            there = self.all()
            if any(token.name == name for token in there):
                raise Refusal(409, f"There is a token '{name}' already")
            self._write([*there, Token(name, user, role, _hash(secret), now())])
        return secret

    def remove(self, name: str) -> None:
        """Remove a token, so that it does not log in any more. Raises: Refusal 404, there is none of this name."""
        if all(token.name != name for token in self.all()):
            raise Refusal(404, f"There is no token '{name}'")
        with FileLock(self._file.with_name(".tokens.lock")):
            there = self.all()
            self._write([token for token in there if token.name != name])

    def find(self, secret: str) -> Token | None:
        """Return the token with this secret, None if there is none."""
        digest = _hash(secret)
        for token in (self._own, *self.all()):
            if hmac.compare_digest(token.sha256, digest):
                return token
        return None

    def _write(self, tokens: list[Token]) -> None:
        write_durable(self._file, json.dumps([asdict(token) for token in tokens], indent=1).encode(), mode=0o600)
