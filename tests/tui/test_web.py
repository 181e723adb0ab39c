"""The UI in a browser: `sam-hub --web`, and a real Chromium that opens what it prints."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, sync_playwright

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.tables import Job
from sam_hub.config import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("background-networking", "component-update", "gpu", "quic", "sync")
# What a person gets who marks all of the terminal and copies it.
COPY = """() => {
    const copied = new DataTransfer();
    document.querySelector(".xterm").dispatchEvent(new ClipboardEvent("copy", {clipboardData: copied}));
    return copied.getData("text/plain");
}"""


@pytest.fixture
def web(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`sam-hub --web`."""
    server = subprocess.Popen(
        [sys.executable, "-m", "sam_hub", "--web"], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    yield server
    server.send_signal(signal.SIGINT)
    server.wait(10)


@pytest.fixture
def address(web: subprocess.Popen[str]) -> str:
    """What it prints."""
    assert web.stdout is not None
    return web.stdout.readline().split()[1]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """An empty page of a browser that nobody used before, and that reaches this machine alone."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium to open the page with")
    options = [f"--disable-{name}" for name in QUIET]
    options += ["--no-sandbox", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / "browser", executable_path=CHROMIUM, args=options, viewport={"width": 1280, "height": 720}
        )
        yield browser.pages[0]
        browser.close()


def shown(page: Page) -> str:
    """What the terminal in the page shows, marked with the mouse and copied."""
    page.keyboard.down("Shift")  # else the mouse is the UI's
    page.mouse.move(1, 1)
    page.mouse.down()
    page.mouse.move(1279, 719, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    return page.evaluate(COPY)


def wait_for(page: Page, *texts: str, seconds: float = 30) -> str:
    """Wait until all of these are shown at once, and nothing is before them."""
    page.locator(".intro-dialog").wait_for(state="hidden", timeout=seconds * 1000)
    deadline = time.monotonic() + seconds
    while not all(text in (screen := shown(page)) for text in texts):
        assert time.monotonic() < deadline, f"{texts} did not come within {seconds:g} s; the page:\n{screen}"
        time.sleep(0.2)
    return screen


def test_a_browser_with_the_key_is_let_in_and_one_without_is_not(address: str) -> None:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(address) as page:
        assert b"sam-hub" in page.read()
    bare = address.partition("?")[0]
    for path in ("", "ws", "static/js/textual.js", "demo/", "demo/ws"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(bare + path)
    for name, value in (("Origin", "http://example.org"), ("Host", "example.org")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            browser.open(urllib.request.Request(address, headers={name: value}))


def test_the_ui_shows_its_rows_and_answers_keys(address: str, page: Page) -> None:
    page.goto(address)
    wait_for(page, "[2 Experts]", "000000-legal", "q Quit")
    page.keyboard.press("7")
    wait_for(page, "[7 Jobs]")
    page.keyboard.press("q")
    page.get_by_text("Session ended.").wait_for()


def test_no_ui_outlives_its_page_or_the_server(web: subprocess.Popen[str], address: str, page: Page) -> None:
    served = psutil.Process(web.pid)
    page.goto(address)
    wait_for(page, "000000-legal")
    first = served.children(recursive=True)
    page.reload()
    wait_for(page, "000000-legal")
    assert psutil.wait_procs(first, timeout=10)[1] == []
    second = served.children(recursive=True)
    assert second
    web.send_signal(signal.SIGINT)
    web.wait(10)
    assert psutil.wait_procs(second, timeout=10)[1] == []


def test_the_demo_opens_in_the_same_page(filled: Settings, address: str, page: Page) -> None:
    with open_catalog(filled.catalog_url) as catalog:
        stocking = catalog.add(Job(kind="stock", title="", queue="network", state="running", pid=os.getpid()))
        page.goto(address)
        wait_for(page, "000000-legal", "Jobs(1)")
        with catalog.writing() as session:
            session.get_one(Job, stocking.id).state = "done"
    wait_for(page, "The demo's Hub is ready")
    page.keyboard.press("o")
    page.wait_for_url("**/demo/")
    wait_for(page, "The catalog is empty", "q Quit")
