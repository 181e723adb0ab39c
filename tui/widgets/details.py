"""What is known of one expert: facts, why it fits, and its card as the Hub would render it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from sam_hub.catalog.descriptor_sources import Origin, described_by
from sam_hub.tui.symbols import Symbols, cut, interval_bar, megabytes, number

if TYPE_CHECKING:
    from sam_hub.catalog.queries import ExpertRow
    from sam_hub.hub.search import FoundModel
    from sam_hub.services.experts import RepoReport

BAR = 20
INDENT = 9
CONSOLE = Console(width=200)  # for wrapping alone, which takes a console but not its width
FACTS_LINES = 18  # at least: most experts' facts fit, so that nothing moves from one to the next


def fact_lines(facts: Sequence[tuple[str, str]], width: int = 80) -> Text:
    """Names and values in lines of at most ``width`` cells, the values aligned under each other."""
    text = Text()
    for name, value in facts:
        text.append(f"{name:<{INDENT}}")
        value_text = Text(value)
        lines = value_text.wrap(CONSOLE, max(10, width - INDENT)) if value else [value_text]
        text.append_text(Text(f"\n{'':{INDENT}}").join(lines))
        text.append("\n")
    return text


def expert_facts(row: ExpertRow, wanted: Sequence[str], same_base: bool, symbols: Symbols, width: int) -> Text:
    """The facts of a catalog's expert; ``wanted`` are the target's labels, none without a target."""
    kind = f"LoRA rank {row.rank}" if row.kind == "adapter" else "full model"
    sign = symbols.done if same_base else symbols.warning
    base = f"{sign} {row.base_repo}" + ("" if same_base else " (not the base of those selected)")
    facts = [
        ("revision", row.commit[:12]),
        ("kind", f"{kind}, {megabytes(row.size_bytes)}"),
        ("license", row.license or "not stated"),
        ("base", base),
        ("domain", row.domain or "not stated"),
        ("on disk", f"{symbols.done} yes" if row.on_disk else f"{symbols.missing} no"),
        ("types", ", ".join(row.labels) or "not stated"),
        *text_facts(row, symbols),
    ]
    text = fact_lines(facts, width)
    if wanted:
        known = [label for label in wanted if label in row.labels]
        missing = [label for label in wanted if label not in row.labels]
        text.append("\nWhy it fits\n", style="bold")
        text.append_text(fact_lines([("text", _nearness(row, symbols))], width))
        if row.sampling is not None and row.sampling_low is not None and row.sampling_high is not None:
            bar = interval_bar(symbols, row.sampling_low, row.sampling, row.sampling_high, BAR)
            interval = f"{number(row.sampling_low, symbols)} to {number(row.sampling_high, symbols)}"
            text.append_text(
                fact_lines([("votes", f"F1 {number(row.sampling, symbols)}  95% {interval}"), ("", bar)], width)
            )
        else:
            text.append_text(fact_lines([("votes", "not probed yet")], width))
        if known:
            text.append_text(fact_lines([("covers", f"{symbols.done} {', '.join(known)}")], width))
        if missing:
            text.append_text(fact_lines([("missing", f"{symbols.missing} {', '.join(missing)}")], width))
    return text


def text_facts(row: ExpertRow, symbols: Symbols) -> list[tuple[str, str]]:
    """By what of which text an expert is described, one an embedder; what is weak is marked."""
    facts: list[tuple[str, str]] = []
    for one in row.described:
        sign = f"{symbols.warning} " if Origin.parse(one.origin).weak else ""
        words = f"{sign}described by {described_by(one.origin, one.count)}, {one.embedder}"
        facts.append(("" if facts else "text", words))
    return facts or [("text", f"{symbols.missing} not described")]


def _nearness(row: ExpertRow, symbols: Symbols) -> str:
    """Its cosine to the target's text, and how much that says; else why there is none."""
    if row.similarity is not None:
        alone = all(Origin.parse(one.origin).weak for one in row.described)
        weak = f" ({symbols.warning} weak: of its card alone)" if row.described and alone else ""
        return f"{number(row.similarity, symbols)} cosine to the target's text{weak}"
    if row.described:
        return f"{symbols.missing} no cosine: the target is not described by {row.described[0].embedder}"
    return f"{symbols.nothing} not described yet: `sam-hub describe` it"


def found_facts(found: FoundModel, report: RepoReport | None, symbols: Symbols, width: int) -> Text:
    """Return the facts of a model found on the Hub: of the search alone, or of an inspection too."""
    known = report or found
    facts = [
        ("revision", (known.commit or "")[:12]),
        ("base", known.base or "not stated"),
        ("license", known.license or "not stated"),
        ("types", ", ".join(known.labels) or "not stated"),
        ("fetched", f"{found.downloads or 0:,} times"),
    ]
    if report is None:
        text = fact_lines(facts, width)
        text.append("\nLooking at its files ...\n", style="italic")
        return text
    kind = f"LoRA rank {report.rank}" if report.kind == "adapter" else "full model"
    facts.insert(1, ("kind", f"{kind}, {megabytes(report.size)}"))
    facts.insert(2, ("domain", report.domain or "not stated"))
    text = fact_lines(facts, width)
    sign = {"usable": symbols.done, "unusable": symbols.missing}.get(report.verdict, symbols.warning)
    text.append(f"\n{sign} {report.verdict}\n", style="bold")
    for reason in [*report.reasons, *report.warnings]:
        text.append(f"  {reason}\n")
    return text


class Details(VerticalScroll, can_focus=True):
    """A pane with facts and a card under them."""

    DEFAULT_CSS = """
    Details { height: 1fr; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
    Details #facts { height: auto; min-height: 18; }
    Details Markdown { height: auto; margin: 0; padding: 0; }
    """

    def __init__(self, symbols: Symbols, *, id: str | None = None, classes: str = "pane") -> None:
        super().__init__(id=id, classes=classes)
        self._symbols = symbols
        self._card: str | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="facts", markup=False)

    @property
    def room(self) -> int:
        """Cells of a line of facts; as on a screen of its own before it has a size."""
        return self.query_one("#facts", Static).size.width or min(100, self.app.size.width * 95 // 100) - 5

    def show_facts(self, title: str, facts: Text) -> None:
        """Replace the facts."""
        self.border_title = Text(cut(title, max(10, self.size.width - 6), self._symbols, keep_end=True))
        shown = self.query_one("#facts", Static)
        height = max(FACTS_LINES, len(facts.wrap(self.app.console, max(1, shown.size.width))))
        # To lay the whole screen out again takes longer than all else that a key does.
        shown.update(facts, layout=height != shown.size.height)

    async def show_card(self, card: str | None) -> None:
        """Render a card (Markdown); None removes the one that is shown."""
        if card == self._card:
            return
        from sam_hub.tui.widgets.card import Card  # a parser, which the first rows shall not wait for

        self._card = card
        if self.query(Card):
            await self.query_one(Card).show(card or "")
        elif card:
            await self.mount(Card(card, self._symbols))
