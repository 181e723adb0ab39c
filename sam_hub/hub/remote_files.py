"""Look at a repository's files without fetching its weights."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any, Literal

from sam_hub.errors import UnusableModel
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained, retried
from sam_hub.hub.file_rules import CONFIG_LIMIT, RemoteFile

_CHUNK = 1024 * 1024
RepoType = Literal["model", "dataset"]


def head_of(hub: Hub, repo: str, revision: str = "main") -> str:
    """The commit that a branch or tag of a model means now.

    Raises:
        NotFoundOnHub, HubError: as the Hub's.
    """
    with explained(hub, repo):
        return retried(lambda: hub.api().model_info(repo, revision=revision)).sha or ""


def list_files(hub: Hub, repo: str, commit: str, *, repo_type: RepoType = "model") -> tuple[RemoteFile, ...]:
    """Every file of a repository at a commit, by path."""
    from huggingface_hub.hf_api import RepoFile

    # It retries by itself.
    tree = hub.api().list_repo_tree(repo, recursive=True, revision=commit, repo_type=repo_type)
    files = [
        RemoteFile(item.path, item.size, item.lfs.sha256 if item.lfs else None, item.blob_id)
        for item in tree
        if isinstance(item, RepoFile)
    ]
    return tuple(sorted(files, key=lambda file: file.path))


def digest_matches(path: Path, file: RemoteFile) -> bool:
    """Whether what lies at ``path`` is what the Hub lists: its size, and its SHA-256 or git's SHA-1."""
    size = path.stat().st_size
    if size != file.size:
        return False
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == (file.sha256 or file.oid)


def read_json(hub: Hub, repo: str, commit: str, file: RemoteFile) -> dict[str, Any]:
    """A small JSON object of the repository, through the cache, checked against the listing.

    Raises:
        UnusableModel: it is too large, damaged, or no JSON object.
    """
    if file.size > CONFIG_LIMIT:
        raise UnusableModel(
            f"{file.path} of '{repo}' is too large to be a configuration", "Choose another model."
        )
    path = fetch(hub, repo, commit, file)
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise UnusableModel(
            f"{file.path} of '{repo}' is not valid JSON: {error}", "Choose another model."
        ) from error
    if not isinstance(value, dict):
        raise UnusableModel(f"{file.path} of '{repo}' is not a JSON object", "Choose another model.")
    return value


def read_card(hub: Hub, repo: str, commit: str) -> str:
    """The card of a repository, empty where it has none.

    Raises:
        NotFoundOnHub, HubError: as the Hub's.
        UnusableModel: it is larger than any card.
    """
    with explained(hub, repo):
        file = next((f for f in list_files(hub, repo, commit) if f.path == "README.md"), None)
        if file is None:
            return ""
        if file.size > CONFIG_LIMIT:
            raise UnusableModel(f"The card of '{repo}' is too large", f"Open {hub.page(repo)} in a browser.")
        return fetch(hub, repo, commit, file).read_text(encoding="utf-8", errors="replace")


def fetch(
    hub: Hub,
    repo: str,
    commit: str,
    file: RemoteFile,
    tqdm_class: type | None = None,
    *,
    repo_type: RepoType = "model",
) -> Path:
    """One file at a commit, in the cache, with the bytes that the Hub lists.

    A damaged one, be it from the cache or the network, is fetched once more.

    Raises:
        UnusableModel: the Hub sends other bytes than it lists.
    """
    options = {"cache_dir": hub.cache_dir, "tqdm_class": tqdm_class, "repo_type": repo_type}
    for force in (False, True):
        path = Path(retried(lambda force=force: _download(hub, repo, commit, file, force, **options)))
        if digest_matches(path, file):
            return path
        path.resolve().unlink(missing_ok=True)  # the blob: whoever shares the cache must not get it either
        path.unlink(missing_ok=True)
    raise UnusableModel(
        f"{file.path} of '{repo}' is damaged: the Hub sends other bytes than it lists",
        f"Tell its owner, or choose another {repo_type}.",
    )


def _download(hub: Hub, repo: str, commit: str, file: RemoteFile, force: bool, **options: Any) -> str:
    return hub.api().hf_hub_download(repo, file.path, revision=commit, force_download=force, **options)


def safetensors_problem(hub: Hub, repo: str, commit: str, file: RemoteFile) -> str | None:
    """What is wrong with a safetensors file, seen from its header, read by range; None if nothing is."""
    from huggingface_hub.errors import HfHubHTTPError, SafetensorsParsingError

    # huggingface_hub lets what a broken header leads to through as it comes
    damage = (
        SafetensorsParsingError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        struct.error,
    )
    try:
        metadata = retried(
            lambda: hub.api().parse_safetensors_file_metadata(repo, file.path, revision=commit)
        )
        ends = [tensor.data_offsets[1] for tensor in metadata.tensors.values()]
    except HfHubHTTPError:  # some of these are ValueErrors too
        raise
    except damage as error:
        reason = " ".join(str(error).split()).split(" (make sure")[0][:160]
        return f"the header of {file.path} is not that of a safetensors file ({reason})"
    if not ends:
        return f"{file.path} holds no tensors"
    header = retried(lambda: _header_bytes(hub, repo, commit, file))
    if 8 + header + max(ends) != file.size:
        return (
            f"{file.path} is cut off, or followed by something else: its tensors end elsewhere than the file"
        )
    return None


def _header_bytes(hub: Hub, repo: str, commit: str, file: RemoteFile) -> int:
    """The length of a safetensors header, which its first eight bytes say."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(repo, file.path, revision=commit, endpoint=hub.endpoint)
    headers = {**build_hf_headers(token=hub.token or False), "Range": "bytes=0-7"}
    answer = get_session().get(url, headers=headers)
    hf_raise_for_status(answer)
    return int.from_bytes(answer.content[:8], "little")
