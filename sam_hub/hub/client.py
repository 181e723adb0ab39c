"""A connection to a Hub: its address, the token for it, the cache, and a client set up with care."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sam_hub import __version__
from sam_hub.config import EMBEDDED_HUB, PUBLIC_HUB, Settings
from sam_hub.errors import HubError
from sam_hub.local_hub import LOOPBACK

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

_ETAG = re.compile(r'(W/)?"?([0-9a-f]{40}|[0-9a-f]{64})"?')
_CONNECT_SECONDS, _READ_SECONDS = 15, 120


@dataclass(frozen=True)
class Hub:
    """A Hub to talk to.

    ``token`` is sent to this endpoint only; None means anonymous, never "whichever token is found".
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None
    offline: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, as the embedded Hub does."""
        return urlsplit(self.endpoint).hostname in LOOPBACK

    def page(self, repo: str) -> str:
        """Return the address of a repository's page."""
        return f"{self.endpoint}/{repo}"

    def api(self) -> HfApi:
        """huggingface_hub's client for this Hub."""
        if self.offline:
            raise HubError("Offline mode is on", "Unset SAM_HUB_OFFLINE and HF_HUB_OFFLINE.")
        _prepare_client()
        from huggingface_hub import HfApi, constants

        # What Xet saves on the way is nothing on this machine, and costs time on both ends.
        constants.HF_HUB_DISABLE_XET = self.is_local or _xet_switched_off()
        return HfApi(
            endpoint=self.endpoint, token=self.token or False, library_name="sam-hub", library_version=__version__
        )


def connect(settings: Settings) -> Hub:
    """Return the Hub of the settings.

    The token is that of the settings; for the public Hub also the one `hf auth login` has stored.
    Files go through the ordinary Hugging Face cache; those of a Hub on this machine through one
    in the home folder, so that a demonstration leaves the ordinary one alone.
    """
    if settings.endpoint == EMBEDDED_HUB:
        return _connect_embedded(settings)
    hub = Hub(settings.endpoint, settings.token, settings.home / "cache", settings.offline)
    if hub.is_local:
        _go_around_proxies()
        return hub
    from huggingface_hub import constants, get_token

    token = settings.token or (get_token() if settings.endpoint == PUBLIC_HUB else None)
    return Hub(settings.endpoint, token, Path(constants.HF_HUB_CACHE), settings.offline)


def _connect_embedded(settings: Settings) -> Hub:
    """The Hub that lies in the home, started if it does not run."""
    from sam_hub.hub.embedded import shared_hub

    cache = settings.home / "cache"
    if settings.offline:
        return Hub("http://127.0.0.1", None, cache, offline=True)
    _go_around_proxies()
    endpoint, token = shared_hub(settings.hub)
    return Hub(endpoint, token, cache)


def _go_around_proxies() -> None:
    """A proxy can't reach this machine's loopback; child processes inherit this too."""
    for variable in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(variable, "").split(",") if host]
        os.environ[variable] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


@cache
def _xet_switched_off() -> bool:
    """What the person's own HF_HUB_DISABLE_XET says, read before this program changes the flag."""
    from huggingface_hub import constants

    return constants.HF_HUB_DISABLE_XET


@cache
def _prepare_client() -> None:
    """Once: no telemetry, no bars or log lines of its own, time limits, and no odd ETags."""
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils import disable_progress_bars, logging

    _xet_switched_off()
    constants.HF_HUB_DISABLE_TELEMETRY = True
    disable_progress_bars()
    logging.set_verbosity_error()
    set_client_factory(_client)


def _client() -> httpx2.Client:
    import httpx2
    from huggingface_hub.utils._http import default_client_factory

    client = default_client_factory()
    client.timeout = httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    client.event_hooks = {**client.event_hooks, "response": [_drop_odd_etags]}
    return client


def _drop_odd_etags(response: httpx2.Response) -> None:
    """huggingface_hub names files in its cache by the ETag as it came: ``../..`` would lead out of it."""
    for name in ("ETag", "X-Linked-ETag"):
        value = response.headers.get(name)
        if value is not None and not _ETAG.fullmatch(value):
            del response.headers[name]
