"""Failures between this machine and a Hub: each as one error that a person can act on, and retries."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from sam_hub.errors import DiskFull, HubError, InputError, NotFoundOnHub, SamHubError
from sam_hub.hub.client import Hub

if TYPE_CHECKING:
    import httpx2
    from tenacity import RetryCallState

T = TypeVar("T")
ATTEMPTS = 4
FIRST_PAUSE = 0.5  # seconds before the second attempt, if the Hub names none; doubled before each further one
_LONGEST_WAIT = 60.0
_LOGIN = "Run `hf auth login` or set HF_TOKEN"
_AGAIN = "Try again. If it keeps failing, check the address and your network."
_TRANSIENT = (408, 429, 500, 502, 503, 504)


@contextmanager
def explained(hub: Hub, repo: str = "") -> Iterator[None]:
    """Turn the failures of huggingface_hub and of the network into `SamHubError`.

    Args:
        repo: what was asked for, to be named in the message.

    Raises:
        NotFoundOnHub: no such repository, revision or file, or no access to it.
        HubError: the network or the Hub failed.
        InputError: no repository can have this name.
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
    """Return what ``error``, or the first known cause of it, means to a person; None if unknown.

    huggingface_hub hides failures behind "not in the cache" and "error while uploading", so causes are looked at
    before such wrappers.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError as Wrapper

    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for candidate in reversed(chain):
        if isinstance(candidate, SamHubError):
            return candidate
    for candidate in chain:
        if not isinstance(candidate, Wrapper) and (explanation := _explain_one(candidate, hub, repo)):
            return explanation
    if isinstance(error, Wrapper):
        return HubError(f"{hub.endpoint} sent no usable answer for {repo}", "Check the address of the Hub.")
    return None


def _explain_one(error: BaseException, hub: Hub, repo: str) -> SamHubError | None:
    """The table: one kind of failure a line."""
    import httpx2
    from huggingface_hub import errors as hf

    where = f"'{repo}'" if repo else hub.endpoint
    page = hub.page(repo)
    table: list[tuple[type[BaseException], type[SamHubError], str, str]] = [
        (hf.GatedRepoError, NotFoundOnHub, f"Access to '{repo}' is gated",
         f"Ask for access at {page}, then {_LOGIN[0].lower()}{_LOGIN[1:]}."),
        (hf.DisabledRepoError, NotFoundOnHub, f"The Hub has disabled {where}", "Choose another model."),
        (hf.RepositoryNotFoundError, NotFoundOnHub, f"There is no repository '{repo}' at {hub.endpoint}",
         _how_to_find(hub, repo)),
        (hf.RevisionNotFoundError, NotFoundOnHub, f"'{repo}' has no such revision",
         f"See its branches, tags, and commits: {page}."),
        (hf.RemoteEntryNotFoundError, NotFoundOnHub, f"A file was not found in '{repo}'", f"See its files: {page}."),
        (hf.HFValidationError, InputError, f"{error}".rstrip("."), "Use owner/name."),
        (hf.LocalTokenNotFoundError, NotFoundOnHub, "Not logged in", f"{_LOGIN}."),
        (hf.OfflineModeIsEnabled, HubError, "Offline mode is on", "Unset SAM_HUB_OFFLINE and HF_HUB_OFFLINE."),
        (hf.FileMetadataError, HubError, f"{hub.endpoint} sent no usable ETag for {where}", _AGAIN),
        (httpx2.ConnectError, HubError, f"No connection to {hub.endpoint}", _AGAIN),
        (httpx2.TimeoutException, HubError, f"{hub.endpoint} took too long to answer", _AGAIN),
        (httpx2.TransportError, HubError, f"The connection to {hub.endpoint} was lost", _AGAIN),
        (httpx2.InvalidURL, InputError, f"{hub.endpoint} is not an address", "Correct the endpoint."),
    ]  # fmt: skip
    for kind, meaning, title, action in table:
        if isinstance(error, kind):
            return meaning(title, action)
    if isinstance(error, hf.HfHubHTTPError):
        return _by_status(error.response, hub, where)
    if isinstance(error, httpx2.HTTPError):
        return HubError(f"{hub.endpoint} sent an invalid response", _AGAIN)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or hub.cache_dir
        return DiskFull(f"The disk is full: {place}", "Free some space and run it again.")
    return None


def _how_to_find(hub: Hub, repo: str) -> str:
    if repo and "/" not in repo:
        return f"Most names are owner/name. To find it, run `sam-hub search {repo}`."
    login = "" if hub.token else f" If it is private, {_LOGIN[0].lower()}{_LOGIN[1:]}."
    return f"Check the spelling.{login}"


def _by_status(response: httpx2.Response, hub: Hub, where: str) -> SamHubError:
    status, reason = response.status_code, response.headers.get("X-Error-Message", "")
    match status:
        case 400:
            title = f"{hub.endpoint} rejected the request for {where}: {reason or 'bad request'}"
            return InputError(title, "Correct the input and try again.")
        case 401 if hub.token:
            return NotFoundOnHub(f"{hub.endpoint} does not accept the token", f"{_LOGIN} again.")
        case 401:
            return NotFoundOnHub(f"{hub.endpoint} requires a login", f"{_LOGIN}.")
        case 403:
            return NotFoundOnHub(f"The token has no permission for this in {where}", "Use a token with write access.")
        case 404:
            return NotFoundOnHub(
                f"{hub.endpoint} has nothing at {response.url.path}", "Check that it is the address of a Hub."
            )
        case 409 | 412:
            return HubError(f"{where} was changed by someone else in the meantime", "Run it again.")
        case 429:
            wait = response.headers.get("Retry-After") or 60
            return HubError(f"{hub.endpoint} limits the number of requests", f"Try again in {wait} seconds.")
        case 507:
            return HubError(f"The disk of {hub.endpoint} is full", "Free some space there and run it again.")
    detail = f": {reason}" if reason else ""
    return HubError(f"{hub.endpoint} failed with status {status}{detail}", "Try again in a few minutes.")


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error carries, if any."""
    return getattr(getattr(error, "response", None), "status_code", None)


def is_transient(error: BaseException) -> bool:
    """Return whether another attempt may succeed within a minute.

    Resets, time-outs, 429 and 5xx pass. A refused connection, or a ``Retry-After`` of more than a minute, does not.
    """
    import httpx2
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError):  # the client has tried several times before it says this
        return False
    if status_of(error) is not None:
        return status_of(error) in _TRANSIENT and _retry_after(error) <= _LONGEST_WAIT
    if isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.ConnectError):
        return True
    return error.__cause__ is not None and is_transient(error.__cause__)


def _retry_after(error: BaseException | None) -> float:
    """The seconds that the Hub asks to wait; 0 if it does not say."""
    while error is not None and status_of(error) is None:
        error = error.__cause__
    value = error.response.headers.get("Retry-After", "").strip() if error is not None else ""  # type: ignore[attr-defined]
    return float(value) if value.isdigit() else 0.0


def retried(call: Callable[[], T]) -> T:
    """Return ``call()``, tried again after transient failures, `ATTEMPTS` times in all. It must be repeatable."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

    backoff = wait_exponential(multiplier=FIRST_PAUSE) + wait_random(0, FIRST_PAUSE / 2)

    def wait(state: RetryCallState) -> float:
        return _retry_after(state.outcome.exception() if state.outcome else None) or backoff(state)

    again = retry_if_exception(is_transient)
    return Retrying(retry=again, wait=wait, stop=stop_after_attempt(ATTEMPTS), reraise=True)(call)
