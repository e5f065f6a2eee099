"""`mptcp-check run --plan`: what would run, how long and how much, without running anything."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.estimate import estimate, words
from mptcp_check.exchanges.plan import plan
from mptcp_check.exchanges.scopes import SCOPES, Depth
from mptcp_check.model import Exchange, Joining


def show(apps: Sequence[str], depth: Depth, *, console: Console, as_json: bool) -> int:
    """Print a plan; what the network turns out not to have is left out of it when it runs.

    Raises:
        UsageError: There is no such application.
    """
    exchanges = plan(apps or None, depth)
    cost = estimate(exchanges, cap_bytes=SCOPES[depth].cap_bytes)
    if as_json:
        document = {
            "schema": "mptcp-check.plan/1",
            "depth": depth.value,
            "estimate": asdict(cost),
            "exchanges": [asdict(exchange) for exchange in exchanges],
        }
        click.echo(json.dumps(document, indent=2))
        return 0
    console.print(Text(f"{words(cost)}.", style="bold"))
    console.print(Text(f"Depth: {depth}, {SCOPES[depth].words}.", style="dim"))
    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column()
    shown.add_column(justify="right")
    shown.add_column(style="dim")
    for app, count in Counter(e.app for e in exchanges).items():
        own = [e for e in exchanges if e.app == app]
        shown.add_row(Text(APPLICATIONS[app].title), str(count), Text(_under(own)))
    console.print(Padding(shown, (0, 0, 0, 2)))
    return 0


_JOININGS: Mapping[Joining, str] = {
    Joining.SUBFLOW: "further paths",
    Joining.BACKUP: "backup path",
    Joining.SIGNAL: "announced address",
    Joining.OTHER_FAMILY: "IPv4 and IPv6 at once",
}


def _under(exchanges: Sequence[Exchange]) -> str:
    """Say under what an application runs, each thing once."""
    ports = list(dict.fromkeys(e.port for e in exchanges))
    said = [
        f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}",
        *(["IPv6"] if any(e.family == "ipv6" for e in exchanges) else []),
        *(["checksums"] if any(e.checksum for e in exchanges) else []),
        *dict.fromkeys(_JOININGS[e.joining] for e in exchanges if e.paths > 1),
        *dict.fromkeys(
            e.handover.upset.value.replace("_", " ") for e in exchanges if e.handover is not None
        ),
    ]
    return ", ".join(said)
