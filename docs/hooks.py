"""MkDocs hook: write the command line's and the settings' reference from the code."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with its ``<!-- generated: ... -->`` markers replaced."""
    for name, generate in (("cli", command_reference), ("settings", settings_reference)):
        marker = f"<!-- generated: {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, generate())
    return markdown


def command_reference() -> str:
    """Return every command with its arguments and options, in the order of ``sam-hub --help``."""
    import typer

    from sam_hub.cli.app import app

    return "\n".join(
        line for name, command in _commands(typer.main.get_command(app)) for line in _section(name, command)
    )


def settings_reference() -> str:
    """Return the settings as a table: name, environment variables, default, description."""
    from sam_hub.config import Settings

    lines = ["| Setting | Environment variable | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        aliases = getattr(field.validation_alias, "choices", None) or [f"SAM_HUB_{name.upper()}"]
        variables = ", ".join(f"`{alias}`" for alias in aliases)
        default = "" if field.default_factory or field.default is None else f"`{field.default}`"
        lines.append(f"| `{name}` | {variables} | {default} | {_cell(escape(field.description or ''))} |")
    return "\n".join(lines)


def _commands(group: Any, prefix: str = "sam-hub") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _section(name: str, command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name)
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield from (f"### {name}", "", command.help or "", "", "```text", " ".join(usage.split()), "```", "")
    records = (parameter.get_help_record(context) for parameter in command.params)
    if rows := [record for record in records if record]:
        yield from ("| Argument or option | Meaning |", "| --- | --- |")
        yield from (f"| `{_cell(term)}` | {_cell(escape(meaning))} |" for term, meaning in rows)
        yield ""
    if command.epilog:
        yield from ("```console", "$ " + command.epilog.removeprefix("Example: "), "```", "")


def _cell(text: str) -> str:
    """Return the text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
