"""How quick the terminal UI is: `python -m tests.benchmarks.tui [--json]`.

Everything is measured from outside, in a terminal: from the start of the process, or from a key, until the text that it
must bring is written to the screen. Python's own start, and that of Textual with an empty app, are measured in the
same run: they are the floor.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.terminal import Terminal
from tests.tui.filled import DOMAINS, add_target, fill

SIZES = (100, 10_000, 100_000)
STARTS, KEYS = 5, 200
DOWN = "\x1b[B"
EMPTY_APP = """
from textual.app import App
from textual.widgets import DataTable
class Empty(App):
    def compose(self):
        yield DataTable()
    def on_mount(self):
        self.query_one(DataTable).add_columns("name")
        self.query_one(DataTable).add_row("first-row")
Empty().run()
"""


def name_of(row: int) -> str:
    """What tells a row of the filled catalog from its neighbours, and is not cut from its name in the table."""
    return f"{row:06}-{DOMAINS[row % len(DOMAINS)]}"[2:9]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--ranking", type=Path, help="a home with a target and experts on disk: keys during a real ranking"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        result = {"floor": floor(), "catalogs": [measure(Path(scratch), size) for size in options.sizes]}
    if options.ranking:
        result["down_during_a_ranking_ms"] = _milliseconds(_keys_during_a_ranking(options.ranking.absolute()))
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print("floor: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result["floor"].items()))
    for row in result["catalogs"]:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    if options.ranking:
        print(f"during a ranking: {result['down_during_a_ranking_ms']}")


def floor() -> dict[str, float]:
    """Seconds of a start: Python alone, and a Textual app with one row."""
    found = {}
    for name, code, text in (("python", "print('first-row')", "first-row"), ("textual", EMPTY_APP, "first-row")):
        found[name] = statistics.median(_start([sys.executable, "-c", code], {}, text) for _ in range(STARTS))
    return {name: round(seconds, 3) for name, seconds in found.items()}


def _start(command: list[str], environment: dict[str, str], text: str) -> float:
    with Terminal(command, environment) as terminal:
        return terminal.wait_for(text, terminal.started)


def measure(scratch: Path, size: int) -> dict[str, object]:
    """A catalog of ``size`` experts: start, keys, and keys while two jobs run."""
    home = scratch / str(size)
    url = f"sqlite:///{home / 'catalog.db'}"
    home.mkdir()
    fill(url, size)
    add_target(url, home)
    environment = {"SAM_HUB_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [shutil.which("sam-hub") or "sam-hub"]
    starts = [_start(command, environment, name_of(0)) for _ in range(STARTS)]
    found: dict[str, object] = {"experts": size, "start_s": _seconds(starts)}
    found["first_paint_ms"] = _milliseconds(_paints(home))
    with Terminal(command, environment) as terminal:
        terminal.wait_for(name_of(0), terminal.started)
        terminal.drain(2)
        found["down_ms"] = _milliseconds(_keys(terminal, size))
        used = terminal.processor_seconds()
        terminal.drain(10)
        found["idle_cpu_percent"] = round((terminal.processor_seconds() - used) * 10, 1)
        terminal.press("g")
        terminal.drain(1)
        found["filter_ms"] = _milliseconds([_filter(terminal, size) for _ in range(5)])
    found["down_during_jobs_ms"] = _milliseconds(_keys_during_jobs(command, environment, home, size))
    return found


def _keys(terminal: Terminal, size: int) -> list[float]:
    """From a key to the row it moves to."""
    taken = []
    for row in range(1, min(KEYS, size - 1)):
        pressed = terminal.press(DOWN)
        taken.append(terminal.wait_for(name_of(row), pressed))
    return taken


def _filter(terminal: Terminal, size: int) -> float:
    """From the last letter of a filter to its only row, the pause that the UI waits for more letters included."""
    wanted = f"{size - 1:06}"
    terminal.press("/")
    terminal.drain(0.2)
    terminal.press(wanted[:-1])
    terminal.drain(0.6)
    pressed = terminal.press(wanted[-1])
    seconds = terminal.wait_for(f"1 of {size:,}", pressed)
    terminal.press("\x1b")
    terminal.drain(0.4)
    terminal.press("\x1b")
    terminal.drain(0.8)
    return seconds


def _paints(home: Path) -> list[float]:
    """From the start of the app, imports done, to the first rows on its screen."""
    import asyncio
    import time

    from sam_hub.config import load_settings
    from sam_hub.tui.app import SamHubApp
    from sam_hub.tui.widgets.table import Table

    async def once() -> float:
        started = time.perf_counter()
        app = SamHubApp(load_settings(home=home, offline=True))
        async with app.run_test(size=(120, 36)) as pilot:
            while not app.query(Table).first().row_count:
                await asyncio.sleep(0.002)
            await pilot.pause(0)
            return time.perf_counter() - started

    return [asyncio.run(once()) for _ in range(STARTS + 1)][1:]  # the first one imports


def _keys_during_jobs(command: list[str], environment: dict[str, str], home: Path, size: int) -> list[float]:
    """The same while a job runs that keeps a processor busy and reports as fast as it can."""
    from sam_hub.config import load_settings
    from sam_hub.jobs.scheduler import Scheduler
    from sam_hub.services.context import AppContext
    from tests.jobs.busy import Busy

    with AppContext(load_settings(home=home, offline=True)) as context:
        scheduler = Scheduler(context)
        job = scheduler.submit(Busy(seconds=120))
        try:
            with Terminal(command, environment) as terminal:
                terminal.wait_for("busy", terminal.started)
                terminal.drain(2)
                return _keys(terminal, size)
        finally:
            scheduler.cancel(job.id or 0)


def _keys_during_a_ranking(home: Path) -> list[float]:
    """The cursor goes up and down while every expert of the home predicts on a sample of its first target."""
    import time

    from sam_hub.catalog.experts import list_experts
    from sam_hub.catalog.targets import list_targets
    from sam_hub.config import load_settings
    from sam_hub.jobs.scheduler import Scheduler
    from sam_hub.services.context import AppContext
    from sam_hub.services.options import SelectOptions

    with AppContext(load_settings(home=home)) as context:
        catalog, scheduler = context.catalog, Scheduler(context)
        tails = [expert.repo[-9:] for expert in list_experts(catalog)]  # what is never cut from a name
        seed = int(time.time())  # a sample that nobody was asked about yet
        job = scheduler.submit(SelectOptions(list_targets(catalog)[0].name, sample=100, seed=seed))
        try:
            with Terminal([shutil.which("sam-hub") or "sam-hub"], {"SAM_HUB_HOME": str(home)}) as terminal:
                terminal.wait_for("ner-", terminal.started)
                terminal.drain(15)  # until the models are loaded and predict
                taken = []
                for _ in range(KEYS // (2 * len(tails)) + 1):
                    for key, rows in (("j", tails[1:]), ("k", tails[-2::-1])):
                        taken += [terminal.wait_for(tail, terminal.press(key)) for tail in rows]
                return taken
        finally:
            scheduler.cancel(job.id or 0)


def _seconds(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "worst": round(max(values), 3)}


def _milliseconds(values: list[float]) -> dict[str, float]:
    ordered = sorted(1000 * value for value in values)
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "worst": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    os.environ.setdefault("TERM", "xterm-256color")
    main()
