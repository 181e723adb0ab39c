"""What can go wrong between here and a Hub: each failure as one error a person can act on, and retries."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sam_hub.errors import DiskFull, HubError, InputError, NotFoundOnHub, SamHubError
from sam_hub.hub.client import Hub

T = TypeVar("T")
ATTEMPTS = 4
_LONGEST_WAIT = 60.0
_LOGIN = "Run `hf auth login` or set HF_TOKEN"
_TRANSIENT = (408, 429, 500, 502, 503, 504)


@contextmanager
def explained(hub: Hub, repo: str = "") -> Iterator[None]:
    """Turn the failures of huggingface_hub and of the network into `SamHubError`.

    Args:
        repo: what was asked for, to be named in the message.

    Raises:
        NotFoundOnHub: no such repository, revision or file, or no access to it.
        HubError: the network or the Hub failed.
        InputError: a name that no repository can have.
        DiskFull: a file could not be written.
    """
    try:
        yield
    except SamHubError:
        raise
    except Exception as error:
        explanation = explain(error, hub, repo)
        if explanation is None:
            raise
        raise explanation from error


def explain(error: BaseException, hub: Hub, repo: str) -> SamHubError | None:
    """The `SamHubError` that says what ``error``, or the first known cause of it, means; None if unknown.

    huggingface_hub hides what failed behind "not in the cache" and "error while uploading", so causes
    are looked at before such wrappers.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    for candidate in reversed(seen):
        if isinstance(candidate, SamHubError):
            return candidate
    for candidate in seen:
        if not _is_wrapper(candidate) and (explanation := _explain_one(candidate, hub, repo)):
            return explanation
    return _explain_wrapper(seen[0], hub, repo)


def _is_wrapper(error: BaseException) -> bool:
    from huggingface_hub.errors import LocalEntryNotFoundError

    return isinstance(error, LocalEntryNotFoundError)


def _explain_wrapper(error: BaseException, hub: Hub, repo: str) -> SamHubError | None:
    if not _is_wrapper(error):
        return None
    return HubError(
        f"{hub.endpoint} gave no usable answer for {repo}", "Check that a Hub answers at this address."
    )


def _explain_one(error: BaseException, hub: Hub, repo: str) -> SamHubError | None:
    """The table: one kind of failure a line."""
    import httpx2
    from huggingface_hub import errors as hf

    where = f"'{repo}'" if repo else hub.endpoint
    again = "Try again; if it stays, check the address and your network."
    table: list[tuple[type[BaseException], Callable[[], SamHubError]]] = [
        (hf.GatedRepoError, lambda: _gated(hub, repo)),
        (
            hf.DisabledRepoError,
            lambda: NotFoundOnHub(f"{where} was disabled by the Hub", "Choose another model."),
        ),
        (hf.RepositoryNotFoundError, lambda: _no_repository(hub, repo)),
        (hf.RevisionNotFoundError, lambda: _no_revision(hub, repo)),
        (hf.RemoteEntryNotFoundError, lambda: _no_entry(hub, repo)),
        (hf.HFValidationError, lambda: InputError(f"{error}".rstrip("."), "Write it as owner/name.")),
        (hf.LocalTokenNotFoundError, lambda: NotFoundOnHub("Not logged in", f"{_LOGIN}.")),
        (
            hf.OfflineModeIsEnabled,
            lambda: HubError("Offline: the Hub was not asked", "Unset HF_HUB_OFFLINE."),
        ),
        (hf.HfHubHTTPError, lambda: _by_status(error, hub, where)),  # type: ignore[arg-type]
        (hf.FileMetadataError, lambda: HubError(f"{hub.endpoint} sent no usable ETag for {where}", again)),
        (httpx2.ConnectError, lambda: HubError(f"No connection to {hub.endpoint}", again)),
        (httpx2.TimeoutException, lambda: HubError(f"{hub.endpoint} took too long to answer", again)),
        (httpx2.TransportError, lambda: HubError(f"The connection to {hub.endpoint} broke", again)),
        (httpx2.HTTPError, lambda: HubError(f"{hub.endpoint} gave an answer that makes no sense", again)),
        (httpx2.InvalidURL, lambda: InputError(f"{hub.endpoint} is not an address", "Correct the endpoint.")),
    ]
    for kind, build in table:
        if isinstance(error, kind):
            return build()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"The disk is full: {error.filename or hub.cache_dir}", "Free some space and run it again."
        )
    return None


def _gated(hub: Hub, repo: str) -> SamHubError:
    return NotFoundOnHub(
        f"Access to '{repo}' is gated",
        f"Ask for access at {hub.page(repo)}, then {_LOGIN[0].lower()}{_LOGIN[1:]}.",
    )


def _no_repository(hub: Hub, repo: str) -> SamHubError:
    if repo and "/" not in repo:
        action = f"Most names are owner/name; `sam-hub search {repo}` looks for it."
        return NotFoundOnHub(f"There is no repository '{repo}' at {hub.endpoint}", action)
    action = "Check the spelling." if hub.token else f"Check the spelling; if it is private: {_LOGIN}."
    return NotFoundOnHub(f"There is no repository '{repo}' at {hub.endpoint}", action)


def _no_revision(hub: Hub, repo: str) -> SamHubError:
    return NotFoundOnHub(
        f"'{repo}' has no such revision", f"See its branches, tags and commits: {hub.page(repo)}."
    )


def _no_entry(hub: Hub, repo: str) -> SamHubError:
    return NotFoundOnHub(f"A file was not found in '{repo}'", f"See what it holds: {hub.page(repo)}.")


def _by_status(error: object, hub: Hub, where: str) -> SamHubError:
    response = error.response  # type: ignore[attr-defined]
    status = response.status_code
    said = response.headers.get("X-Error-Message", "")
    match status:
        case 400:
            return InputError(
                f"{hub.endpoint} refuses this for {where}: {said or 'bad request'}", "Correct it."
            )
        case 401 if hub.token:
            return NotFoundOnHub(f"{hub.endpoint} does not accept the token", f"{_LOGIN} anew.")
        case 401:
            return NotFoundOnHub(f"{hub.endpoint} asks who you are", f"{_LOGIN}.")
        case 403:
            return NotFoundOnHub(
                f"The token may not do this with {where}", f"{_LOGIN} with write access to it."
            )
        case 404:
            return NotFoundOnHub(
                f"{hub.endpoint} has nothing at {response.url.path}", "Is it a Hub's address?"
            )
        case 409 | 412:
            return HubError(f"{where} was changed by someone else meanwhile", "Run it again.")
        case 429:
            wait = response.headers.get("Retry-After")
            return HubError(f"{hub.endpoint} asks to slow down", f"Try again in {wait or 60} seconds.")
        case 507:
            return HubError(f"The disk of {hub.endpoint} is full", "Free some space there and run it again.")
    reason = f": {said}" if said else ""
    return HubError(f"{hub.endpoint} failed with status {status}{reason}", "Try again in some minutes.")


def seconds_to_wait(error: BaseException, attempt: int) -> float | None:
    """How long to wait before the next attempt; None if another attempt makes no sense.

    Resets, time-outs, 429 and 5xx pass; ``Retry-After`` is honoured up to a minute. A refused
    connection does not pass by itself within seconds.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if _is_wrapper(error):  # the client has tried several times before it says this
        return None
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in _TRANSIENT:
            return None
        told = error.response.headers.get("Retry-After", "").strip()
        if told.isdigit():
            return float(told) if float(told) <= _LONGEST_WAIT else None
    elif isinstance(error, httpx2.ConnectError) or not isinstance(error, httpx2.TransportError):
        cause = error.__cause__
        return seconds_to_wait(cause, attempt) if cause is not None and cause is not error else None
    return 0.5 * 2**attempt * random.uniform(0.8, 1.2)


def retried(call: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
    """``call()``, again after passing failures, at most ``attempts`` times in all; it must be repeatable."""
    for attempt in range(attempts - 1):
        try:
            return call()
        except Exception as error:
            wait = seconds_to_wait(error, attempt)
            if wait is None:
                raise
            time.sleep(wait)
    return call()
