"""Do the licenses of what is merged go together? A merge is derived from all of its inputs.

Licenses are those of the Hub's list, in lower case. This looks for what their names say (no derivatives,
non-commercial, share alike); it is a hint where to read, and no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

NO_DERIVATIVES = re.compile(r"\bnd\b")
NON_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial|research")
# Each asks that what is derived from it be under the same terms, which can't be two at once.
SHARE_ALIKE = re.compile(r"\bsa\b|^[al]?gpl|^odbl|^fdl|^gfdl|^openrail|^bigscience|^bigcode|^llama|^gemma")
READ = "Read the licenses before you publish the merge, or leave experts out"


def conflicts(licenses: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """What does not go together among the licenses of a merge's inputs, by repository, and what to do."""
    known = {repo: license.lower() for repo, license in licenses.items() if license}
    for repo, license in known.items():
        if NO_DERIVATIVES.search(license):
            yield f"{repo} is under {license}, which does not allow derived works such as a merge", READ
    if narrow := [repo for repo, license in known.items() if NON_COMMERCIAL.search(license)]:
        free = [repo for repo in known if repo not in narrow]
        if free:
            yield (
                f"{narrow[0]} is under {known[narrow[0]]}: the merge may not be used commercially, though "
                f"{free[0]} ({known[free[0]]}) may",
                READ,
            )
    alike = {license: repo for repo, license in known.items() if SHARE_ALIKE.search(license)}
    if len(alike) > 1:
        listed = ", ".join(f"{repo}: {license}" for license, repo in sorted(alike.items()))
        yield f"Each of these licenses requires its own terms for the merge ({listed})", READ
