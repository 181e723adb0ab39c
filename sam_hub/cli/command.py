"""How a function becomes a command: a parameter for each field of the options that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer

from sam_hub.cli.output import AsJson, Background, DryRun, Removal, Shown, Yes, say, show_json, started
from sam_hub.progress import BarReporter
from sam_hub.services.context import AppContext

Function = TypeVar("Function", bound=Callable[..., Shown | Removal | None])
GIVEN = ("options", "context", "reporter")  # parameters of a command that are no parameters of the command line
app = typer.Typer(
    help="Find named entities in a new domain without labels: select experts on the Hub and merge them.",
    epilog="Without a command, sam-hub opens the terminal UI. "
    "Use --ascii for words instead of symbols, or --web for a browser.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def group(name: str, help: str) -> typer.Typer:
    """Return a new group of commands."""
    commands = typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(commands, name=name)
    return commands


def command(
    example: str = "",
    name: str | None = None,
    *,
    group: typer.Typer = app,
    background: bool = False,
    log: bool = False,
    **settings: Any,
) -> Callable[[Function], Function]:
    """Register a function as a command. If it returns what it has to show, the command gets ``--json``.

    If it returns what is to be removed, the command gets ``--dry-run`` and ``--yes``, too.

    The function may take ``options`` (a dataclass, whose `Doc` fields become parameters), ``context``, and
    ``reporter``, which shows progress.

    Args:
        background: the command gets ``--background``, which makes a job of its options instead.
        log: print the log on standard error, too.
    """
    epilog = f"Example: sam-hub {example}" if example else None

    def register(function: Function) -> Function:
        group.command(name, epilog=epilog, **settings)(_expanded(function, background, log))
        return function

    return register


def _expanded(function: Callable[..., Shown | Removal | None], background: bool, log: bool) -> Callable[..., None]:
    """Return a function with all parameters of the command, which calls this one and shows what it returns."""
    hints = get_type_hints(function, include_extras=True)
    kind = hints.get("options")
    known = get_type_hints(kind, include_extras=True) if kind else {}
    taken = {field.name: _parameter(field, known[field.name]) for field in fields(kind)} if kind else {}
    names = signature(function).parameters
    own = [p.replace(annotation=hints[p.name]) for p in names.values() if p.name not in (*GIVEN, "as_json")]
    removes = hints["return"] is Removal
    flags = {"dry_run": DryRun, "yes": Yes} if removes else {"background": Background} if background else {}
    if "as_json" in names or hints["return"] in (Shown, Removal):
        flags["as_json"] = AsJson
    own += [Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=flag) for name, flag in flags.items()]

    def run(**values: Any) -> None:
        context, as_json = AppContext(), values.pop("as_json", False)
        removal = {name: values.pop(name) for name in ("dry_run", "yes") if removes}
        given = {"context": context, "as_json": as_json}
        if kind:
            given["options"] = kind(**{n: _value(known[n], values.pop(taken[n].name)) for n in taken})
        if background and values.pop("background") and not values.get("dry_run"):
            from sam_hub.jobs.scheduler import Scheduler

            shown: Shown | Removal | None = started([Scheduler(context).submit(given["options"])])
        else:
            with BarReporter(say if log else None) as given["reporter"]:
                shown = function(**values, **{name: value for name, value in given.items() if name in names})
        if isinstance(shown, Removal):
            shown = shown.carry_out(**removal, as_json=as_json)
        if shown:
            _show(shown, as_json)

    parameters = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in (*taken.values(), *own)]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__name__, run.__doc__, run.__annotations__ = function.__name__, function.__doc__, {}
    return run


def _show(shown: Shown, as_json: bool) -> None:
    if as_json:
        show_json(shown.value)
    else:
        shown.show()
    if shown.error:
        raise shown.error


def _parameter(field: Field, hint: Any) -> Parameter:
    """Return how Typer takes a field: a list for a tuple or a dictionary, text for a number or a word."""
    (kind, doc), metavar = get_args(hint), None
    required = field.default is MISSING and field.default_factory is MISSING
    default = Parameter.empty if required else None if field.default in (MISSING, ()) else field.default
    if doc.separator or kind == int | str:
        kind, default = str, default if default is Parameter.empty else str(default)
    elif get_origin(kind) in (tuple, dict):
        items: Any = list.__class_getitem__(get_args(kind)[0])
        kind, metavar = items if required else items | None, f"<{get_args(items)[0].__name__.lower()}>"
    if doc.name.startswith("--") or not (required or doc.name):
        flag = doc.name or f"--{field.name.replace('_', '-')}"
        info = typer.Option(flag, help=doc.text, min=doc.minimum, metavar=metavar)
        name = field.name
    else:
        info, name = typer.Argument(help=doc.text), doc.name or field.name
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _value(hint: Any, value: Any) -> Any:
    """Return what a field holds for what Typer has read."""
    kind, doc = get_args(hint)
    if doc.separator:
        return tuple(value.split(doc.separator))
    if get_origin(kind) is dict:
        from sam_hub.merging.parameters import parameters

        return parameters(value or [])
    if get_origin(kind) is tuple:
        return tuple(value or ())
    if kind == int | str:
        return int(value) if value.removeprefix("-").isdecimal() else value
    return value
