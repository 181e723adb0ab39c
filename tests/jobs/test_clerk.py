"""The clerk answers questions, its own failures too, and is replaced when it dies or is stuck."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from sam_hub.catalog.engine import open_catalog
from sam_hub.catalog.experts import add_expert
from sam_hub.catalog.tables import ExpertCreate
from sam_hub.config import Settings
from sam_hub.errors import CatalogError, SamHubError
from sam_hub.jobs.clerk import Clerk
from sam_hub.jobs.inquiries import Card, Inquiry, MergeMethods, PlanRemoval, PlanUpdate
from sam_hub.jobs.process import environment


@dataclass(frozen=True)
class Unheard(Inquiry):
    """A question that the clerk does not know."""


@pytest.fixture
def home(settings: Settings) -> Settings:
    """A home with an expert whose card is on disk."""
    folder = settings.models / "news"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# News [/bold] 好", encoding="utf-8")
    with open_catalog(settings.catalog_url) as catalog:
        expert = ExpertCreate(repo="o/news", commit="a" * 40, kind="adapter", base_repo="o/base")
        add_expert(catalog, expert.model_copy(update={"path": str(folder)}))
    return settings


@pytest.fixture
async def clerk(home: Settings) -> Iterator[Clerk]:
    clerk = Clerk(home)
    yield clerk
    await clerk.close()
    for process in processes():
        process.wait(5)
    await asyncio.sleep(0.05)  # the loop hears of it


def processes() -> list[psutil.Process]:
    """The clerks that this process has started."""
    children = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in children if "sam_hub.jobs.clerk" in p.cmdline()]


CARD = {"card": "# News [/bold] 好"}


async def test_a_question_is_answered(clerk):
    assert await clerk.ask(Card("news")) == CARD


async def test_a_failure_is_of_the_kind_that_it_has_in_its_own_process(clerk):
    with pytest.raises(CatalogError, match="No expert 'nwes'") as caught:
        await clerk.ask(Card("nwes"))
    assert caught.value.action == "Did you mean o/news?"


async def test_a_question_that_nobody_foresaw_is_refused_and_the_next_is_answered(clerk):
    with pytest.raises(SamHubError, match="nobody foresaw"):
        await clerk.ask(Unheard())
    assert await clerk.ask(Card("news")) == CARD


async def test_several_questions_at_once_get_each_their_own_answer_from_one_process(clerk):
    asked = [MergeMethods(), Card("news"), PlanRemoval("news"), *(Card("news") for _ in range(10))]
    methods, card, plan, *cards = await asyncio.gather(*(clerk.ask(inquiry) for inquiry in asked))
    assert methods["default"] in [method["name"] for method in methods["methods"]]
    assert (card, plan["ref"]) == (CARD, f"o/news@{'a' * 40}")
    assert cards == [CARD] * 10
    assert len(processes()) == 1


async def test_the_first_questions_of_a_new_clerk_may_come_at_once(home):
    for _ in range(6):  # two threads that are the first to import a library have failed in one of two tries
        clerk = Clerk(home)
        first = [clerk.ask(Card("news")), clerk.ask(PlanRemoval("news")), clerk.ask(PlanUpdate(()))]
        card, plan, update = await asyncio.gather(*first, return_exceptions=True)
        await clerk.close()
        assert (card, plan["ref"]) == (CARD, f"o/news@{'a' * 40}")
        assert "Offline" in str(update)
    await asyncio.sleep(0.05)


async def test_a_clerk_that_died_idle_is_started_anew(clerk):
    await clerk.ask(Card("news"))
    (first,) = processes()
    first.kill()
    await asyncio.sleep(0.2)
    assert await clerk.ask(Card("news")) == CARD
    assert processes() != [first]


async def test_who_asked_a_clerk_that_dies_is_told_and_may_ask_again(clerk):
    await clerk.ask(Card("news"))
    (process,) = processes()
    process.suspend()  # so that it dies before it answers
    question = asyncio.create_task(clerk.ask(MergeMethods()))
    await asyncio.sleep(0.05)
    process.kill()
    with pytest.raises(SamHubError, match="ended"):
        await question
    assert await clerk.ask(Card("news")) == CARD


async def test_no_answer_in_time_is_told_and_the_next_question_goes_to_a_new_process(clerk):
    await clerk.ask(Card("news"))
    (stuck,) = processes()
    stuck.suspend()
    with pytest.raises(SamHubError, match=r"no answer within 0\.2 seconds"):
        await clerk.ask(Card("news"), timeout=0.2)
    assert await clerk.ask(Card("news")) == CARD
    assert stuck not in processes()


async def test_one_who_would_not_wait_does_not_take_the_answer_from_another(clerk):
    patient = asyncio.create_task(clerk.ask(MergeMethods()))
    with pytest.raises(SamHubError, match="no answer within"):
        await clerk.ask(Card("news"), timeout=0.05)
    assert (await patient)["methods"]
    assert await clerk.ask(Card("news")) == CARD


async def test_a_closed_clerk_leaves_no_process(clerk):
    await clerk.ask(Card("news"))
    (process,) = processes()
    await clerk.close()
    process.wait(2)
    assert processes() == []


def test_a_clerk_ends_when_the_one_who_asks_is_gone(home):
    command = [sys.executable, "-m", "sam_hub.jobs.clerk"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment(home), timeout=20, check=False)
    assert done.returncode == 0
