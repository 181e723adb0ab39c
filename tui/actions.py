"""Every action of the UI, once: it feeds key bindings, footer, help, command palette, and the test of all three.

Keys can be remapped by an action's id: ``[keys]`` in ``settings.toml``, such as ``pull = "P,f5"``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

from textual.binding import Binding

TABS = ("target", "experts", "select", "merge", "evaluate", "push", "jobs")


@dataclass(frozen=True)
class Action:
    """Something a person can do.

    Args:
        id: its name, in the settings too; the method ``do_<id>`` of the tab (or the app) does it.
        keys: default keys, comma separated.
        label: one or two words, for the footer.
        tooltip: a sentence, for help and palette.
        tabs: where it can be done; empty: everywhere, by the app itself.
        home: the tab that does it, if that is one alone: from the others, its key goes there first.
        begins: from another tab, do it there, too, and don't only go.
        command: the command that does the same without the UI; empty where it only moves or shows.
        footer: whether the footer shows it.
    """

    id: str
    keys: str
    label: str
    tooltip: str
    tabs: tuple[str, ...] = ()
    command: str = ""
    footer: bool = True
    home: str = ""
    begins: bool = False

    @property
    def is_global(self) -> bool:
        """Whether the app itself does it, in every tab."""
        return not self.tabs

    def binding(self) -> Binding:
        """The key binding; its id lets a keymap change the keys."""
        return Binding(self.keys, f"do('{self.id}')", self.label, show=self.footer, tooltip=self.tooltip, id=self.id)


def _tab(number: int, name: str, does: str) -> Action:
    return Action(f"tab_{name}", str(number), name.capitalize(), f"Go to {name.capitalize()}: {does}", footer=False)


ACTIONS: tuple[Action, ...] = (
    Action("check", "space", "Select", "Select or unselect the expert under the cursor", ("experts", "select")),
    Action("scan", "ctrl+r", "Scan", "Count the sentences of the corpus, and list files that can't be read", ("target",), "sam-hub target add"),
    Action("save", "ctrl+t", "Save", "Create this target, and describe its text", ("target",), "sam-hub target add"),
    Action("filter", "slash", "Filter", "Filter the table by words in the name, domain, or types", ("experts",), "sam-hub list"),
    Action("hub", "s", "Hub", "Search the Hub for experts, or go back to the catalog", ("experts",), "sam-hub search"),
    Action("add", "a", "Add", "Add the expert found on the Hub to the catalog", ("experts",), "sam-hub add"),
    Action("pull", "p", "Pull", "Download the selected experts, or the one under the cursor", ("experts",), "sam-hub pull"),
    Action("remove", "x", "Remove", "Show what a removal deletes, and remove the expert", ("experts",), "sam-hub remove"),
    Action("update", "U", "Update", "Update the selected experts, or all, to the Hub's current commits", ("experts",), "sam-hub update", footer=False),
    Action("sort", "o", "Sort", "Sort the table by the next column", ("experts",), "sam-hub list", footer=False),
    Action("reverse", "O", "Reverse", "Reverse the order", ("experts",), "sam-hub list", footer=False),
    Action("rank", "r", "Rank", "Rank the experts on disk by similarity and by sampling", ("experts", "select"), "sam-hub select", home="select", begins=True),
    Action("choose", "ctrl+o", "Choose", "Merge the experts selected here instead of the best k", ("select",), "sam-hub choose"),
    Action("merge", "m", "Merge", "Merge the chosen experts", ("select", "merge"), "sam-hub merge", home="merge"),
    Action("evaluate", "e", "Evaluate", "Score the merged models, and, if you want, each expert and the base", ("merge", "evaluate"), "sam-hub evaluate", home="evaluate", begins=True),
    Action("next_page", "n", "Next page", "Show the next sentences of this system", ("evaluate",)),
    Action("previous_page", "N", "Previous page", "Show the previous sentences of this system", ("evaluate",), footer=False),
    Action("only_wrong", "w", "Only wrong", "Show only sentences with an error, or all again", ("evaluate",)),
    Action("push", "u", "Push", "Push a merged model to the Hub", ("evaluate", "push"), "sam-hub push", home="push"),
    Action("cancel", "c", "Cancel", "Cancel the job under the cursor", ("jobs",), "sam-hub jobs cancel"),
    Action("retry", "t", "Retry", "Run the job under the cursor again", ("jobs",), "sam-hub jobs retry"),
    Action("forget", "x", "Remove", "Remove ended jobs from the list", ("jobs",), "sam-hub jobs rm"),
    _tab(1, "target", "raw text and the entity types that you want"),
    _tab(2, "experts", "the catalog and the Hub"),
    _tab(3, "select", "both rankings and the chosen experts"),
    _tab(4, "merge", "method, checks, configuration, estimate"),
    _tab(5, "evaluate", "strict scores, and sentences with their entities"),
    _tab(6, "push", "push the merged model and its card to the Hub"),
    _tab(7, "jobs", "running and ended jobs, and their logs"),
    Action("back", "escape", "Back", "Leave the field, the screen, or the filter", footer=False),
    Action("copy", "y", "Copy", "Copy what is under the cursor to the clipboard", footer=False),
    Action("last_error", "exclamation_mark", "Last error", "Show the last error again", footer=False),
    Action("stop_job", "ctrl+k", "Cancel job", "Cancel the newest running job", command="sam-hub jobs cancel", footer=False),
    Action("help", "question_mark", "Help", "Show the keys and the purpose of this tab"),
    Action("quit", "q", "Quit", "Quit. Running jobs can continue or be stopped"),
)  # fmt: skip


def find_action(name: str) -> Action:
    """Return the action of this id."""
    return next(a for a in ACTIONS if a.id == name)


class KeyNames:
    """The keys of actions as a person reads them, remapped ones included.

    Args:
        keymap: keys by an action's id, from the settings.
        display: how Textual shows the key of a binding.
    """

    def __init__(self, keymap: Mapping[str, str], display: Callable[[Binding], str]) -> None:
        self._keymap, self._display = keymap, display

    def __call__(self, name: str) -> str:
        """Return the keys of an action."""
        return self.of_keys(self._keymap.get(name) or find_action(name).keys)

    def of_keys(self, keys: str) -> str:
        """Return keys, comma separated, as a person reads them."""
        return " ".join(self._display(Binding(key.strip(), "")) for key in keys.split(","))


# While a field has every letter, the footer names the one key that gives them back to the actions.
LEAVE_FIELDS = Binding(find_action("back").keys, "app.do('back')", "Leave the fields", id="back")


def unknown_keys(keymap: Mapping[str, str]) -> list[str]:
    """Return the ids in a keymap that name no action."""
    return sorted(set(keymap) - {action.id for action in ACTIONS})


def doubled_keys(keymap: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return (key, action's id, another's) for each key that two actions of one tab would have."""
    doubled = []
    for one, other in combinations(ACTIONS, 2):
        if one.is_global or other.is_global or set(one.tabs) & set(other.tabs):
            keys, others = (set(keymap.get(a.id, a.keys).replace(" ", "").split(",")) for a in (one, other))
            doubled += [(key, one.id, other.id) for key in sorted(keys & others)]
    return doubled
