"""A context leads to its Hub, also after that has ended for want of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sam_hub.config import Settings
from sam_hub.hub.embedded import stop_shared_hub
from sam_hub.hub.search import search
from sam_hub.services.context import AppContext


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    found = Settings(home=tmp_path, endpoint="embedded")
    yield found
    stop_shared_hub(found.hub)


def test_the_embedded_hub_is_started_anew_where_it_has_ended(settings: Settings):
    context = AppContext(settings)
    first = context.hub
    assert search(first) == []
    server = psutil.Process(json.loads((settings.hub / "server.json").read_text())["pid"])
    server.terminate()  # in order, as it ends by itself when idle
    server.wait(10)
    assert search(context.hub) == []
    assert context.hub == first  # the address that was printed holds, and so does the token


def test_only_the_owner_reads_where_the_hub_is_and_its_token(settings: Settings):
    token = AppContext(settings).hub.token
    assert {
        file.name: file.stat().st_mode & 0o777
        for file in settings.hub.rglob("*")
        if file.is_file() and token.encode() in file.read_bytes()
    } == {"server.json": 0o600}
