"""The pool answers questions, its own failures too, and replaces processes that die or are stuck."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sam_hub import errors
from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.experts import add_expert
from sam_hub.catalog.tables import ExpertCreate
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, SamHubError
from sam_hub.services.experts import plan_removal, plan_update, read_card
from sam_hub.services.options import RemovalOptions, UpdateOptions
from sam_hub.services.pool import ServicePool
from tests.services.questions import die, divide, pid, sleep, standing

CARD = "# News [/bold] 好"


@pytest.fixture
def home(settings: Settings) -> Settings:
    """A home with an expert whose card is on disk."""
    folder = settings.models / "news"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    with open_catalog(settings.catalog_url) as catalog:
        expert = ExpertCreate(repo="o/news", commit="a" * 40, kind="adapter", base_repo="o/base")
        add_expert(catalog, expert.model_copy(update={"path": str(folder)}))
    return settings


@pytest.fixture
async def pool(home: Settings) -> AsyncIterator[ServicePool]:
    pool = ServicePool(home)
    yield pool
    await pool.close()
    assert processes() == []


def processes() -> list[int]:
    """The workers that this process has started."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "--multiprocessing-fork" in child.cmdline():
                found.append(child.pid)
    return found


@pytest.mark.parametrize(
    "kind", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
)
def test_errors_keep_what_they_say_across_processes(kind):
    error = pickle.loads(pickle.dumps(kind("It broke", "Mend it.")))
    assert (type(error), error.title, error.action) == (kind, "It broke", "Mend it.")
    assert str(error) == "It broke. Mend it."


async def test_a_question_is_answered(pool):
    assert await pool.ask(read_card, "news") == CARD


async def test_a_failure_is_of_the_kind_that_it_has_in_its_own_process(pool):
    with pytest.raises(CatalogError, match="No expert 'nwes'") as caught:
        await pool.ask(read_card, "nwes")
    assert caught.value.action == "Did you mean o/news?"


async def test_a_bug_is_told_and_the_next_question_is_answered(pool, capfd):
    with pytest.raises(SamHubError, match="Unexpected error: ZeroDivisionError"):
        await pool.ask(divide)
    assert await pool.ask(read_card, "news") == CARD
    assert "nowhere" not in "".join(capfd.readouterr())


async def test_several_questions_at_once_get_each_their_own_answer_from_two_processes(pool):
    cards = [pool.ask(read_card, "news") for _ in range(10)]
    plan, *answers = await asyncio.gather(pool.ask(plan_removal, RemovalOptions("news")), *cards)
    assert plan.ref == f"o/news@{'a' * 40}"
    assert answers == [CARD] * 10
    assert 1 <= len(processes()) <= 2


async def test_offline_is_told(pool):
    with pytest.raises(SamHubError, match="Offline"):
        await pool.ask(plan_update, UpdateOptions())


async def test_a_process_that_died_idle_is_replaced(pool):
    first = await pool.ask(pid)
    os.kill(first, signal.SIGKILL)
    await asyncio.sleep(0.5)
    assert await pool.ask(pid) != first


async def test_who_asked_a_process_that_dies_is_told_and_may_ask_again(pool):
    with pytest.raises(SamHubError, match="A worker process ended unexpectedly"):
        await pool.ask(die)
    assert await pool.ask(read_card, "news") == CARD


async def test_no_answer_in_time_is_told_and_the_next_question_goes_to_a_new_process(pool):
    stuck = await pool.ask(pid)
    psutil.Process(stuck).suspend()
    with pytest.raises(SamHubError, match=r"No response within 0\.2 seconds"):
        await pool.ask(read_card, "news", timeout=0.2)
    assert await pool.ask(read_card, "news") == CARD
    assert stuck not in processes()


async def test_one_who_would_not_wait_does_not_take_the_answer_from_another(pool):
    await pool.ask(pid)
    patient = asyncio.create_task(pool.ask(sleep, 2))
    await asyncio.sleep(0.1)
    with pytest.raises(SamHubError, match="No response within"):
        await pool.ask(sleep, 60, timeout=0.1)
    assert await patient == "awake"
    assert await pool.ask(read_card, "news") == CARD


async def test_ctrl_c_in_the_terminal_is_not_for_them(pool):
    assert await pool.ask(standing) == (True, True, os.devnull)


async def test_a_closed_pool_leaves_no_process_though_one_is_busy(home):
    pool = ServicePool(home)
    await pool.ask(pid)
    question = asyncio.create_task(pool.ask(sleep, 60))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await pool.close()
    assert time.monotonic() - began < 30  # it slept for a minute
    with pytest.raises((SamHubError, asyncio.CancelledError)):
        await question
    assert processes() == []


ASKS = """
import asyncio, sys
from sam_hub.config import Settings
from sam_hub.services.pool import ServicePool
from tests.services.questions import pid

async def main():
    pool = ServicePool(Settings(home=sys.argv[1], offline=True))
    print(await pool.ask(pid), *sorted({"sqlmodel", "torch", "huggingface_hub"} & set(sys.modules)), flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_end_when_the_one_who_asks_is_killed(home, tmp_path):
    script = tmp_path / "asks.py"
    script.write_text(ASKS)
    command = [sys.executable, str(script), str(home.home)]
    root = str(Path(__file__).parents[2])  # where `tests` is found
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}) as asking:
        assert asking.stdout is not None
        worker, *imported = asking.stdout.readline().split()
        asking.kill()
    assert imported == []  # nothing heavy is imported by who asks
    psutil.wait_procs([psutil.Process(int(worker))] if psutil.pid_exists(int(worker)) else [], timeout=5)
    assert not psutil.pid_exists(int(worker)) or psutil.Process(int(worker)).status() == psutil.STATUS_ZOMBIE
