"""Do the licences of what is merged go together? A merge is derived from all of its inputs.

Licences are those of the Hub's list, in lower case. This looks for what their names say (no derivatives,
non-commercial, share alike); it is a hint where to read, and no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

NO_DERIVATIVES = re.compile(r"\bnd\b")
NON_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial|research")
# Each asks that what is derived from it be under the same terms, which can't be two at once.
SHARE_ALIKE = re.compile(r"\bsa\b|^[al]?gpl|^odbl|^fdl|^gfdl|^openrail|^bigscience|^bigcode|^llama|^gemma")
READ = "Read the licences before you publish the merge, or leave experts out"


def conflicts(licences: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """What does not go together among the licences of a merge's inputs, by repository, and what to do."""
    known = {repo: licence.lower() for repo, licence in licences.items() if licence}
    for repo, licence in known.items():
        if NO_DERIVATIVES.search(licence):
            yield f"{repo} is under {licence}, which allows no derived works, as a merge is", READ
    if narrow := [repo for repo, licence in known.items() if NON_COMMERCIAL.search(licence)]:
        free = [repo for repo in known if repo not in narrow]
        if free:
            yield (
                f"{narrow[0]} is under {known[narrow[0]]}: the merge may not be used commercially, though "
                f"{free[0]} ({known[free[0]]}) may",
                READ,
            )
    alike = {licence: repo for repo, licence in known.items() if SHARE_ALIKE.search(licence)}
    if len(alike) > 1:
        listed = ", ".join(f"{repo}: {licence}" for licence, repo in sorted(alike.items()))
        yield f"Each of these licences wants the merge under its own terms ({listed})", READ
