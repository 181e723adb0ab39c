"""Print why each expert has its rank, in lines of a hundred characters."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam_hub.services.selection import SelectionOutcome

WIDTH, INDENT = 100, 12
SENTENCE = 2 * (WIDTH - INDENT) - 10  # characters: two lines, less what their breaks take


def show_reasons(outcome: SelectionOutcome) -> None:
    """Print why each expert has its rank, what both rankings come to, and which labels nobody covers."""
    from sam_hub.selection.report import METHODS, evidence_lines, reasons, verdict

    # In the order of the votes, where there are any: that ranking tells more.
    main = next(outcome.rankings[method] for method in reversed(METHODS) if method in outcome.rankings)
    for row in main.ranking.rows:
        print(f"\n{row.expert}{' *' if row.expert in main.chosen else ''}")
        for head, words in reasons(row.expert, outcome.rankings, outcome.labels, room=SENTENCE):
            _line(f"  {head:<{INDENT - 2}}{words}", " " * INDENT)
    print()
    if len(outcome.rankings) == 2:
        for head, key in (("in both", "both"), *((f"{m} only", f"{m}_only") for m in METHODS)):
            _line(f"Chosen {head}: {', '.join(getattr(outcome.chosen, key)) or 'none'}")
    parameters = main.ranking.parameters
    if steps := evidence_lines(parameters):
        print("\nNumber of experts:")
        for step in steps:
            _line(f"  {step}", "     ")
    if told := verdict(parameters):
        print()
        _line(told)
    if gaps := outcome.uncovered:
        print()
        _line(f"No expert covers: {', '.join(gaps)}.")


def _line(text: str, indent: str = "") -> None:
    """One line, or more where it is too long; control characters of other people's texts are not let out."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    print(textwrap.fill(clean, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False))
