"""Names of repositories, and the folder names made of them."""

from __future__ import annotations

import re

from sam_hub.errors import InputError

COMMIT = re.compile(r"[0-9a-f]{40}")


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
            f"'{repo}' is not the name of a repository on the Hub: {rule}",
            "Write it as owner/name, for example acme/ner-news.",
        ) from error
    return repo


def folder_name(repo: str) -> str:
    """Return ``owner--name``: one folder per repository; ``--`` never occurs in a repository's name."""
    return check_repo_id(repo).replace("/", "--")


def is_commit(revision: str) -> bool:
    """Return whether a revision is a full commit SHA, which never changes its meaning."""
    return COMMIT.fullmatch(revision) is not None
