"""Who may do what: by tokens, the Host header, and upload addresses that expire."""

from __future__ import annotations

import secrets
import time
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request

from sam_hub.local_hub import LOOPBACK
from sam_hub.local_hub.repository import Repository
from sam_hub.local_hub.responses import Refusal, repo_not_found
from sam_hub.local_hub.tokens import Token, Tokens

UPLOAD_SECONDS = 6 * 3600


class Access:
    """Decides by the tokens of this Hub; without one, what is public may be read."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        # Upload addresses are of this process, and end with it.
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32))

    def token_of(self, request: Request) -> Token | None:
        """Return the token that the request carries, None without one; it is looked up once.

        Raises:
            Refusal: 401, it is not one of this Hub's.
        """
        if not hasattr(request.state, "token"):
            request.state.token = self._look_up(request)
        return request.state.token

    def _look_up(self, request: Request) -> Token | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, secret = header.partition(" ")
        token = self._tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return token

    def demand(self, request: Request) -> Token:
        """Return the token that the request carries. Raises: Refusal 401 without one."""
        token = self.token_of(request)
        if token is None:
            raise Refusal(401, "Invalid username or password.")
        return token

    def _is_insider(self, request: Request, repository: Repository) -> bool:
        """Whether private and gated repositories are open to the caller."""
        token = self.token_of(request)
        return token is not None and token.may_see_private(repository.id)

    def may_list(self, request: Request, repository: Repository) -> bool:
        """Return whether the caller may know of an existing repository."""
        return not repository.settings["private"] or self._is_insider(request, repository)

    def may_see(self, request: Request, repository: Repository) -> None:
        """Check that the caller may know of a repository. Raises: Refusal 404 or 401."""
        token = self.token_of(request)  # first: a wrong one is refused everywhere
        if not (repository.exists and self.may_list(request, repository)):
            raise repo_not_found(404 if token else 401)

    def may_read(self, request: Request, repository: Repository) -> None:
        """Check that the caller may read the files. Raises: Refusal as `may_see`; 401 or 403 if they are gated."""
        self.may_see(request, repository)
        if repository.settings["gated"] and not self._is_insider(request, repository):
            message = f"Access to model {repository.id} is restricted: ask for access and log in"
            raise Refusal(403 if self.token_of(request) else 401, message, "GatedRepo")

    def may_create(self, request: Request, repository: Repository) -> None:
        """Check that the caller may write to this owner's repositories. Raises: Refusal 401 or 403."""
        if not self.demand(request).may_write(repository.id):
            raise Refusal(403, f"You don't have the rights to write to '{repository.id}'")

    def may_write(self, request: Request, repository: Repository) -> None:
        """Check that the caller may change a repository. Raises: Refusal as `may_see` and `may_create`."""
        self.demand(request)
        self.may_see(request, repository)
        self.may_create(request, repository)

    def may_send(self, request: Request, repository: Repository) -> Token:
        """Return the token by which files may be sent for a commit, or a pull request, to this repository.

        Raises:
            Refusal: as `may_read`, 401 without a token, 403 with one that only reads.
        """
        token = self.demand(request)
        self.may_read(request, repository)
        if token.role != "write":
            raise Refusal(403, "This token may only read")
        return token

    def upload_query(self, sha256: str, size: int, user: str) -> str:
        """Return the query of an address to which one object may be uploaded without the token, for some hours."""
        return f"ticket={self._signer.dumps([sha256, size, user])}"

    def check_upload(self, request: Request, sha256: str) -> tuple[int, str]:
        """Return the size of the object that may be uploaded to this address, and by whom. Raises: Refusal 403."""
        try:
            named, size, user = self._signer.loads(request.query_params.get("ticket", ""), UPLOAD_SECONDS)
        except (BadData, ValueError):
            named = None
        if named != sha256:
            raise Refusal(403, "This upload address is not valid, or has expired")
        return size, user

    def xet_token(self, session: str, user: str) -> tuple[str, int]:
        """Return a user's token for one Xet session alone, and when it expires (seconds since 1970)."""
        return str(self._signer.dumps([session, user])), int(time.time()) + UPLOAD_SECONDS

    def check_xet(self, request: Request, session: str) -> str:
        """Return the user whose token for the session the request carries. Raises: Refusal 401."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            named, user = self._signer.loads(token, UPLOAD_SECONDS)
        except (BadData, ValueError):
            named = None
        if named != session:
            raise Refusal(401, "This upload token is not valid, or has expired")
        return user


def check_host(request: Request) -> None:
    """Refuse a page on the web that reaches this Hub through a name which it lets point to loopback.

    Raises:
        Refusal: 403, the Host header is not loopback.
    """
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        host = None
    if host not in LOOPBACK:
        raise Refusal(403, "This Hub answers to loopback names only")
