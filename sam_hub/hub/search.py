"""Find models on a Hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from sam_hub.errors import UsageError
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained, retried
from sam_hub.hub.tags import BASE, LICENSE, base_of, label_tag, labels_of, license_of

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

SORTS = ("last_modified", "downloads", "likes", "created_at")
_EXPAND = ("author", "downloads", "lastModified", "library_name", "sha", "tags")


@dataclass(frozen=True)
class FoundModel:
    """A search result; ``labels`` are those of its tags (see `sam_hub.hub.tags`)."""

    repo: str
    commit: str | None
    author: str | None
    tags: tuple[str, ...]
    license: str | None
    base: str | None
    library: str | None
    labels: tuple[str, ...]
    downloads: int
    last_modified: datetime | None


def search(
    hub: Hub,
    text: str | None = None,
    *,
    base: str | None = None,
    author: str | None = None,
    labels: Iterable[str] = (),
    library: str | None = None,
    license: str | None = None,
    sort: str = "last_modified",
    limit: int | None = 50,
) -> list[FoundModel]:
    """Return the models that fit everything given, the most recently changed first.

    Args:
        text: words in the repository's name.
        base: the base model it was made from, in any way.
        labels: entity types that it must be tagged with, all of them.
        library: by what it is loaded, such as "peft" or "transformers".
        license: as on the Hub, such as "apache-2.0".
        sort: one of `SORTS`, the largest or latest first.
        limit: None: all, page after page.

    Raises:
        HubError: the network or the Hub failed.
        UsageError: there is no such order.
    """
    if sort not in SORTS:
        raise UsageError(f"Models can't be sorted by '{sort}'", f"Use one of: {', '.join(SORTS)}.")
    tags = (base and BASE + base, library, license and LICENSE + license)
    filters = [*map(label_tag, labels), *filter(None, tags)]
    with explained(hub):
        api = hub.api()
        retried(lambda: _reach(hub))
        models = api.list_models(
            search=text,
            author=author,
            filter=filters or None,
            sort=sort,  # type: ignore[arg-type]
            limit=limit,
            expand=list(_EXPAND),  # type: ignore[arg-type]
        )
        return [_found_model(info) for info in islice(models, limit)]


def _reach(hub: Hub) -> None:
    """Ask once: the client's own list retries for half a minute, silently, where nothing answers."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    headers = build_hf_headers(token=hub.token or False)
    answer = get_session().head(f"{hub.endpoint}/api/models", params={"limit": 1}, headers=headers)
    hf_raise_for_status(answer)


def _found_model(info: ModelInfo) -> FoundModel:
    tags = tuple(info.tags or ())
    return FoundModel(
        repo=info.id,
        commit=info.sha,
        author=info.author,
        tags=tags,
        license=license_of(tags),
        base=base_of(tags),
        library=info.library_name,
        labels=labels_of(tags),
        downloads=info.downloads or 0,
        last_modified=info.last_modified,
    )
