"""The addresses that the tool prints open in a browser to something that can be read, and that can do no harm."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from sam_hub.hub.client import Hub
from tests.support.hubs import publish

CARD = """---
license: mit
---
# News

| expert | F1 |
| --- | --- |
| news | .5 |

<script>alert(1)</script> [a link](javascript:alert(2)) ![an image](https://example.org/x.png)
"""


@pytest.fixture
def page(hub: Hub, adapter: Path) -> httpx2.Response:
    (adapter / "README.md").write_text(CARD)
    publish(hub, adapter, "acme/news")
    return httpx2.get(hub.page("acme/news"))


def test_a_page_shows_card_files_and_commits(page: httpx2.Response, hub: Hub) -> None:
    assert page.status_code == 200
    assert "<h1>News</h1>" in page.text
    assert "<td>.5</td>" in page.text
    assert "license: mit" not in page.text
    assert "adapter_model.safetensors</a>" in page.text
    assert "Upload</td>" in page.text
    head = hub.api().model_info("acme/news").sha
    commit = httpx2.get(f"{hub.page('acme/news')}/commit/{head}")
    assert (commit.status_code, str(head) in commit.text) == (200, True)


def test_nothing_of_a_card_runs(page: httpx2.Response) -> None:
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert 'href="javascript' not in page.text
    assert "<img" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_private_model_has_no_page(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/secret", private=True)
    for repo in ("acme/secret", "acme/none"):
        seen = httpx2.get(hub.page(repo))
        assert seen.status_code in (401, 404)
        assert "It may be private" in seen.text
        assert "adapter" not in seen.text


def test_a_pull_request_has_a_page(hub: Hub, adapter: Path) -> None:
    publish(hub, adapter, "acme/news")
    made = hub.api().upload_file(
        path_or_fileobj=b"other words", path_in_repo="notes.txt", repo_id="acme/news", create_pr=True
    )
    assert made.pr_url == f"{hub.page('acme/news')}/discussions/1"
    assert "notes.txt</a>" in httpx2.get(made.pr_url).text
