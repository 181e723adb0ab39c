"""Addresses and sessions for uploads that need no token of a user, and expire."""

from __future__ import annotations

import secrets
import time
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from sam_hub.local_hub.responses import Refusal

UPLOAD_SECONDS = 6 * 3600


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
