"""Who may do what: the token, the Host header, and upload addresses that expire."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request

from sam_hub.hub.server import LOOPBACK
from sam_hub.hub.server.answers import Refusal, repo_not_found
from sam_hub.hub.server.blobs import write_durable
from sam_hub.hub.server.repository import Repository

USER = "local"
UPLOAD_SECONDS = 6 * 3600


def load_token(root: Path) -> str:
    """The Hub's token: random, made at the first start, readable by its owner alone."""
    path = root / "token"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    root.mkdir(parents=True, exist_ok=True)
    token = f"hf_{secrets.token_urlsafe(30).replace('-', 'a').replace('_', 'b')}"
    fresh = root / f".tmp-token-{os.getpid()}"
    write_durable(fresh, token.encode("ascii"), mode=0o600)
    try:
        os.link(fresh, path)  # unlike a rename, this does not replace what another process made meanwhile
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    finally:
        fresh.unlink()
    return token


class Access:
    """Decides by the one token of this Hub.

    Args:
        token: whoever sends it may do everything; all others may read what is public.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode("ascii")
        self._key = hashlib.sha256(b"upload addresses" + self._token).digest()

    def known(self, request: Request) -> bool:
        """Whether the request carries the token.

        Raises:
            Refusal: 401, it carries another one.
        """
        header = request.headers.get("authorization")
        if header is None:
            return False
        scheme, _, sent = header.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode("utf-8"), self._token):
            raise Refusal(401, "Invalid credentials in Authorization header")
        return True

    def demand(self, request: Request) -> None:
        """Raises: Refusal 401 without the token."""
        if not self.known(request):
            raise Refusal(401, "Invalid username or password.")

    def may_see(self, request: Request, repository: Repository) -> None:
        """Raises: Refusal 404 or 401, there is no such repository that this caller may know of."""
        known = self.known(request)
        if not repository.exists:
            raise repo_not_found(404 if known else 401)
        if repository.settings["private"] and not known:
            raise repo_not_found(401)

    def may_read(self, request: Request, repository: Repository) -> None:
        """Raises: Refusal as `may_see`, and 401 where the files are gated and this is a stranger."""
        self.may_see(request, repository)
        if repository.settings["gated"] and not self.known(request):
            message = f"Access to model {repository.id} is restricted: ask for access and log in"
            raise Refusal(401, message, "GatedRepo")

    def may_write(self, request: Request, repository: Repository) -> None:
        """Raises: Refusal 401 without the token, 404 where the repository does not exist."""
        self.demand(request)
        if not repository.exists:
            raise repo_not_found()

    def upload_query(self, sha256: str, size: int) -> str:
        """The query of an address to which one object may be uploaded, without the token, for some hours."""
        expires = int(time.time()) + UPLOAD_SECONDS
        return f"size={size}&expires={expires}&signature={self._signature(sha256, size, expires)}"

    def check_upload(self, sha256: str, size: int, expires: int, signature: str) -> None:
        """Raises: Refusal 403, the address is not one of ours, or has expired."""
        ours = self._signature(sha256, size, expires)
        if not hmac.compare_digest(ours.encode(), signature.encode("utf-8")) or expires < time.time():
            raise Refusal(403, "This upload address is not valid, or has expired")

    def xet_token(self, session: str) -> tuple[str, int]:
        """A token for one Xet session alone, and when it expires (seconds since 1970)."""
        expires = int(time.time()) + UPLOAD_SECONDS
        return f"{expires}-{self._signature(session, 0, expires)}", expires

    def check_xet(self, request: Request, session: str) -> None:
        """Raises: Refusal 401, the request does not carry the session's token, or that has expired."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        expires, _, signature = sent.partition("-")
        number = int(expires) if expires.isdecimal() and len(expires) < 20 else 0
        ours = self._signature(session, 0, number)
        if number < time.time() or not hmac.compare_digest(ours.encode(), signature.encode("utf-8")):
            raise Refusal(401, "This upload token is not valid, or has expired")

    def _signature(self, subject: str, size: int, expires: int) -> str:
        """``subject``: the SHA-256 of an object, or a Xet session."""
        return hmac.new(self._key, f"{subject} {size} {expires}".encode(), hashlib.sha256).hexdigest()


def check_host(request: Request) -> None:
    """A page on the web must not reach this Hub through a name that it lets point to loopback.

    Raises:
        Refusal: 403, the Host header is not loopback.
    """
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        host = None
    if host not in LOOPBACK:
        raise Refusal(403, "This Hub answers to loopback names only")
