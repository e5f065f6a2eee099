"""`mptcp-check config`: which settings hold, and who says so."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from click.core import ParameterSource
from rich import box
from rich.table import Table
from rich.text import Text

from mptcp_check import settings, settings_file
from mptcp_check.cli import live

NOBODY = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting as it holds."""

    name: str
    """As in the file, with its table: ``run.server``."""
    value: object
    origin: str
    """A file, a variable of the environment, or `NOBODY`."""


@click.group()
def config() -> None:
    """Show the settings that commands take when their options say nothing.

    \b
    What holds: the option on the command line, else the variable in the environment
    (MPTCP_CHECK_RUN_SERVER), else the file, else the default. The file is TOML:

    \b
      home = "/data/mptcp-check"       # images, runs and all else in one folder
      [run]
      server = "ssh:box.example.org"
      iface = ["eth0", "wlan0"]
    """  # noqa: D301 - \b is click's mark for 'do not wrap'


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print them as one JSON document.")
@click.pass_context
def show(ctx: click.Context, *, origin: bool, as_json: bool) -> None:
    """Show every setting that can be kept in the file, as it holds now."""
    file = settings.file()
    rows = [_home(file), *_of_commands(ctx.find_root(), file)]
    if as_json:
        click.echo(json.dumps(document(rows, file), indent=2))
        return
    there = "is read" if file.exists() else "is not there"
    click.echo(f"{file} {there}", err=True)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("setting", "value", *(["origin"] if origin else [])):
        shown.add_column(title, overflow="fold")
    for row in rows:
        style = "dim" if row.origin == NOBODY else "bold"
        words = (row.name, _words(row.value), *([row.origin] if origin else []))
        shown.add_row(*(Text(word, style) for word in words))
    live.console(stderr=False).print(shown)


def document(rows: list[Row], file: Path) -> Mapping[str, object]:
    """Return the settings as JSON has them; PURE."""
    return {
        "schema": "mptcp-check.settings/1",
        "file": str(file),
        "settings": [{"name": row.name, "value": row.value, "origin": row.origin} for row in rows],
    }


def _home(file: Path) -> Row:
    said = os.environ.get(settings.HOME)
    if said:
        return Row(name=settings_file.HOME, value=said, origin=settings.HOME)
    home = settings_file.read(file).home
    return Row(
        name=settings_file.HOME,
        value=None if home is None else str(home),
        origin=NOBODY if home is None else str(file),
    )


def _of_commands(root: click.Context, file: Path) -> Iterator[Row]:
    """Let each command take its options as it would without any on its command line."""
    contexts = {}
    for setting in settings_file.SETTINGS:
        name = setting.command
        if name not in contexts:
            contexts[name] = _command(root, name).make_context(name, [], parent=root)
        context = contexts[name]
        value = context.params[setting.parameter]
        yield Row(
            name=f"{name}.{setting.key}",
            value=str(value) if isinstance(value, Path) else value,
            origin=_origin(context, setting, file),
        )


def _command(root: click.Context, name: str) -> click.Command:
    group = root.command
    command = group.get_command(root, name) if isinstance(group, click.Group) else None
    if command is None:
        raise LookupError(name)  # the table names a command that there is not
    return command


def _origin(context: click.Context, setting: settings_file.Setting, file: Path) -> str:
    source = context.get_parameter_source(setting.parameter)
    if source is ParameterSource.ENVIRONMENT:
        automatic = f"{context.auto_envvar_prefix}_{setting.parameter}".upper()
        own = [p.envvar for p in context.command.params if p.name == setting.parameter]
        return next((v for v in own if isinstance(v, str) and v in os.environ), automatic)
    return str(file) if source is ParameterSource.DEFAULT_MAP else NOBODY


def _words(value: object) -> str:
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
