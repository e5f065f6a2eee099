"""`mptcp-check lab`: the middleboxes that this program can play."""

import json

import click
from rich import box
from rich.table import Table

from mptcp_check import catalogue
from mptcp_check.cli import live
from mptcp_check.middleboxes.registry import BEHAVIOURS


@click.group()
def lab() -> None:
    """Emulate middleboxes (`run --behind` puts them in the way)."""


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON document.")
def list_behaviours(*, as_json: bool) -> None:
    """List the behaviours that can be played, and what each does to Multipath TCP."""
    known = [b for b in catalogue.BEHAVIOURS.values() if b.id in BEHAVIOURS]
    if as_json:
        rows = [
            {"id": b.id, "does": b.meaning, "consequence": b.consequence, "source": b.source}
            for b in known
        ]
        click.echo(json.dumps({"schema": "mptcp-check.lab/1", "behaviours": rows}, indent=2))
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("behaviour", no_wrap=True)
    for title in ("the path …", "Multipath TCP then"):
        shown.add_column(title)
    for b in known:
        shown.add_row(b.id, b.meaning, b.consequence)
    live.console(stderr=False).print(shown)
