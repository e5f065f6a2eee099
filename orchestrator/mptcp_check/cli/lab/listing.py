"""`mptcp-check lab list`: what can be played, and what each of it does to Multipath TCP."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.table import Table

from mptcp_check import catalogue
from mptcp_check.cli import live
from mptcp_check.lab.kernel_boxes import KERNEL_BOXES, PREFIX
from mptcp_check.middleboxes.parameters import describe
from mptcp_check.middleboxes.registry import BEHAVIOURS, IMPAIRMENTS, Entry
from mptcp_check.middleboxes.scope import Scope

_LONGEST = 24
"""Of a default that is shown to people."""
_SCOPE: list[dict[str, Any]] = [asdict(field) for field in describe(Scope)]
"""What a behaviour is about: told once, not in every row."""
_SCOPE_NAMES = frozenset(field["name"] for field in _SCOPE)
_IMPAIRMENT = "none for Multipath TCP: what any path may do"


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON document.")
def list_behaviours(*, as_json: bool) -> None:
    """List what can be played, and what each of it does to Multipath TCP.

    Parameters are written behind a behaviour's name: ID:key=value,key=value.
    """
    rows = [*_behaviours(), *_kernel_boxes()]
    if as_json:
        click.echo(json.dumps({"schema": "mptcp-check.lab/1", "behaviours": rows}, indent=2))
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("behaviour", no_wrap=True)
    for title in ("the path …", "Multipath TCP then", "parameters"):
        shown.add_column(title)
    for row in rows:
        shown.add_row(row["id"], row["does"], row["consequence"], _words(row["parameters"]))
    console = live.console(stderr=False)
    console.print(shown)
    console.print(f"Nearly all take these too: {_words(_SCOPE)}; --json explains every parameter.")


def _behaviours() -> Iterator[dict[str, Any]]:
    """Give the behaviours in the catalogue's order, then the impairments."""
    for known in catalogue.BEHAVIOURS.values():
        if known.id in BEHAVIOURS:
            yield {
                "id": known.id,
                "kind": "behaviour",
                "does": known.meaning,
                "consequence": known.consequence,
                "source": known.source,
                "parameters": _parameters(BEHAVIOURS[known.id]),
            }
    for name in sorted(IMPAIRMENTS):
        yield {
            "id": name,
            "kind": "impairment",
            "does": _first_line(BEHAVIOURS[name]),
            "consequence": _IMPAIRMENT,
            "source": "",
            "parameters": _parameters(BEHAVIOURS[name]),
        }


def _kernel_boxes() -> Iterator[dict[str, Any]]:
    for found in KERNEL_BOXES.values():
        yield {
            "id": f"{PREFIX}{found.id}",
            "kind": "kernel",
            "does": found.does,
            "consequence": found.consequence,
            "source": found.source,
            "parameters": [],
        }


def _words(parameters: Sequence[Mapping[str, Any]]) -> str:
    """Return a behaviour's own parameters with their defaults, long ones cut."""
    own = [p for p in parameters if parameters is _SCOPE or p["name"] not in _SCOPE_NAMES]
    return ", ".join(
        f"{p['name']}={default if len(default) <= _LONGEST else '…'}"
        for p in own
        for default in [str(p["default"] or "…")]
    )


def _parameters(entry: Entry) -> list[dict[str, Any]]:
    return [asdict(field) for field in entry.fields()]


def _first_line(entry: Entry) -> str:
    """Return what an impairment does, as its parameters' module says."""
    module = importlib.import_module(entry.parameters.__module__)
    line = str(module.__doc__).strip().splitlines()[0]
    return line.removeprefix(f"A {entry.id}: ").rstrip(".")
