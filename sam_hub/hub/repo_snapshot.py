"""A repository at one commit: what the Hub says of it, asked once, and its small files, fetched when they are read."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from sam_hub.errors import InputError, UnusableModel
from sam_hub.hub.client import Hub
from sam_hub.hub.errors import explained, retried
from sam_hub.hub.file_rules import CONFIG_LIMIT, RemoteFile

RepoType = Literal["model", "dataset"]
# What a broken header leads to in huggingface_hub, which passes it on as it comes.
_HEADER_ERRORS = (ValueError, TypeError, KeyError, AttributeError, IndexError, struct.error)


@dataclass(frozen=True)
class RepoSnapshot:
    """A repository at a commit, with all files of it by path. Pass it on, so that the Hub is asked once."""

    hub: Hub = field(repr=False)
    repo: str
    commit: str
    files: tuple[RemoteFile, ...] = field(repr=False)
    tags: tuple[str, ...] = ()
    repo_type: RepoType = "model"

    def file(self, path: str) -> RemoteFile | None:
        """Return the file at ``path``, None if there is none."""
        return next((file for file in self.files if file.path == path), None)

    def fetch(self, file: RemoteFile, tqdm_class: type | None = None) -> Path:
        """Return a file in the cache, with the bytes that the Hub lists.

        A damaged one, be it from the cache or the network, is fetched once more.

        Raises:
            UnusableModel: the Hub sends other bytes than it lists.
        """
        for force in (False, True):
            path = Path(retried(partial(self._download, file, force, tqdm_class)))
            if matches(path, file):
                return path
            path.resolve().unlink(missing_ok=True)  # the blob: other users of the cache must not get it either
            path.unlink(missing_ok=True)
        raise UnusableModel(
            f"{file.path} of '{self.repo}' is damaged: the Hub sends other bytes than it lists",
            f"Tell its owner, or choose another {self.repo_type}.",
        )

    def _download(self, file: RemoteFile, force: bool, tqdm_class: type | None) -> str:
        return self.hub.api().hf_hub_download(
            self.repo,
            file.path,
            revision=self.commit,
            repo_type=self.repo_type,
            cache_dir=self.hub.cache_dir,
            force_download=force,
            tqdm_class=tqdm_class,
        )

    def _read_small(self, path: str) -> bytes | None:
        if (file := self.file(path)) is None:
            return None
        if file.size > CONFIG_LIMIT:
            page = self.hub.page(self.repo)
            raise UnusableModel(f"{path} of '{self.repo}' is too large to be read", f"Open {page} in a browser.")
        with explained(self.hub, self.repo):
            return self.fetch(file).read_bytes()

    def read_json(self, path: str) -> dict[str, Any] | None:
        """Return a small JSON object of the repository, None if it has no such file.

        Raises:
            UnusableModel: it is too large, damaged, or no JSON object.
            NotFoundOnHub, HubError: the Hub does not give it.
        """
        if (content := self._read_small(path)) is None:
            return None
        try:
            value = json.loads(content)
        except ValueError as error:
            problem = f"{path} of '{self.repo}' is not valid JSON: {error}"
            raise UnusableModel(problem, "Choose another model.") from error
        if not isinstance(value, dict):
            raise UnusableModel(f"{path} of '{self.repo}' is not a JSON object", "Choose another model.")
        return value

    @cached_property
    def card(self) -> str:
        """The model card, empty if there is none.

        Raises:
            UnusableModel: it is larger than any card, or damaged.
            NotFoundOnHub, HubError: the Hub does not give it.
        """
        return (self._read_small("README.md") or b"").decode(errors="replace")

    def header_problem(self, file: RemoteFile) -> str | None:
        """Return what is wrong with a safetensors file, as its header shows, which alone is read; None if nothing."""
        from huggingface_hub.errors import HfHubHTTPError, SafetensorsParsingError

        parse = self.hub.api().parse_safetensors_file_metadata
        try:
            header = retried(lambda: parse(self.repo, file.path, revision=self.commit))
            ends = [tensor.data_offsets[1] for tensor in header.tensors.values()]
        except HfHubHTTPError:  # some of these are ValueErrors too
            raise
        except (SafetensorsParsingError, *_HEADER_ERRORS) as error:
            reason = " ".join(str(error).split()).split(" (make sure")[0][:160]
            return f"the header of {file.path} is not that of a safetensors file ({reason})"
        if not ends:
            return f"{file.path} holds no tensors"
        if 8 + retried(lambda: self._header_bytes(file)) + max(ends) != file.size:
            return f"{file.path} is cut off or has extra bytes: its tensors end elsewhere than the file"
        return None

    def _header_bytes(self, file: RemoteFile) -> int:
        """The length of a safetensors header, which its first eight bytes hold and huggingface_hub does not tell."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        url = hf_hub_url(self.repo, file.path, revision=self.commit, endpoint=self.hub.endpoint)
        headers = {**build_hf_headers(token=self.hub.token or False), "Range": "bytes=0-7"}
        response = get_session().get(url, headers=headers)
        hf_raise_for_status(response)
        return int.from_bytes(response.content[:8], "little")


def check_repo_id(text: str) -> str:
    """Return the name of a repository, ``owner/name`` (or ``name`` alone, for old ones), without blanks around it.

    Raises:
        InputError: no repository can have this name; the message says which rule it breaks.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    repo = text.strip()
    try:
        if not repo:
            raise HFValidationError("it is empty")
        validate_repo_id(repo)
    except HFValidationError as error:
        rule = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"'{repo}' is not the name of a repository on the Hub: {rule}", "Use owner/name, for example acme/ner-news."
        ) from error
    return repo


def take_snapshot(hub: Hub, repo: str, revision: str = "main", *, repo_type: RepoType = "model") -> RepoSnapshot:
    """Ask the Hub what a branch, a tag or a commit of a repository holds now.

    Raises:
        NotFoundOnHub: no such repository or revision, or no access to it.
        HubError: the network or the Hub failed, or it is offline.
        InputError: no repository can have this name.
    """
    repo = check_repo_id(repo)
    with explained(hub, repo):
        look_up = hub.api().model_info if repo_type == "model" else hub.api().dataset_info
        info = retried(lambda: look_up(repo, revision=revision))
        files = list_files(hub, repo, info.sha or "", repo_type)
    return RepoSnapshot(hub, repo, info.sha or "", files, tuple(info.tags or ()), repo_type)


def list_files(hub: Hub, repo: str, commit: str, repo_type: RepoType = "model") -> tuple[RemoteFile, ...]:
    """Return every file of a repository at a commit, by path."""
    from huggingface_hub.hf_api import RepoFile

    # It retries by itself.
    tree = hub.api().list_repo_tree(repo, recursive=True, revision=commit, repo_type=repo_type)
    files = (item for item in tree if isinstance(item, RepoFile))
    return tuple(
        RemoteFile(file.path, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in sorted(files, key=lambda file: file.path)
    )


def head_of(hub: Hub, repo: str) -> str:
    """Return the commit that the main branch of a model means now."""
    with explained(hub, repo):
        return retried(lambda: hub.api().model_info(repo)).sha or ""


def matches(path: Path, file: RemoteFile) -> bool:
    """Return whether a file on disk is what the Hub lists: its size, and its SHA-256 or git's SHA-1."""
    size = path.stat().st_size
    if size != file.size:
        return False
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest() == (file.sha256 or file.oid)
