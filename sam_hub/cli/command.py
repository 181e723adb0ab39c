"""How a function becomes a command: a parameter for each field of the options that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from sam_hub.cli.output import Background, start_jobs
from sam_hub.services.context import AppContext

Function = Callable[..., None]
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
    example: str = "", name: str | None = None, *, group: typer.Typer = app, background: bool = False, **settings: Any
) -> Callable[[Function], Function]:
    """Register a function as a command. Its first parameter may be ``options``, a dataclass with `Doc` fields.

    Args:
        background: the command gets ``--background``, which makes a job of its options instead.
    """
    epilog = f"Example: sam-hub {example}" if example else None

    def register(function: Function) -> Function:
        group.command(name, epilog=epilog, **settings)(_expanded(function, background))
        return function

    return register


def _expanded(function: Function, background: bool) -> Function:
    """Return the function with the fields of its options in the place of ``options``."""
    hints = get_type_hints(function, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in signature(function).parameters.values() if p.name != "options"]
    if background:
        own.insert(-1, Parameter("background", Parameter.KEYWORD_ONLY, default=False, annotation=Background))
    kind = hints.get("options")
    known = get_type_hints(kind, include_extras=True) if kind else {}
    taken = {field.name: _parameter(field, known[field.name]) for field in fields(kind)} if kind else {}

    def run(**values: Any) -> None:
        if kind:
            given = {name: _value(known[name], values.pop(parameter.name)) for name, parameter in taken.items()}
            values["options"] = kind(**given)
        if background and values.pop("background") and not values.get("dry_run"):
            start_jobs(AppContext(), [values["options"]], as_json=values["as_json"])
        else:
            function(**values)

    parameters = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in (*taken.values(), *own)]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__name__, run.__doc__, run.__annotations__ = function.__name__, function.__doc__, {}
    return run


def _parameter(field: Field, hint: Any) -> Parameter:
    """Return how Typer takes a field: a list for a tuple or a dictionary, text for a number or a word."""
    kind, doc = get_args(hint)
    required = field.default is MISSING and field.default_factory is MISSING
    default = Parameter.empty if required else None if field.default in (MISSING, ()) else field.default
    if doc.separator or kind == int | str:
        kind, default = str, default if default is Parameter.empty else str(default)
    elif get_origin(kind) in (tuple, dict):
        items: Any = list.__class_getitem__(get_args(kind)[0])
        kind = items if required else items | None
    if doc.name.startswith("--") or not (required or doc.name):
        flag = doc.name or f"--{field.name.replace('_', '-')}"
        info = typer.Option(flag, help=doc.text, min=doc.minimum)
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
