"""`mptcp-check run --plan`: what would run, how long and how much, without running anything."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.estimate import estimate, words
from mptcp_check.exchanges.plan import plan
from mptcp_check.exchanges.scopes import SCOPES, Depth
from mptcp_check.model import Exchange


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
    counts = Counter(e.app for e in exchanges)
    wide = max(len(APPLICATIONS[app].title) for app in counts)
    for app, count in counts.items():
        own = [e for e in exchanges if e.app == app]
        console.print(
            Text.assemble(
                f"  {APPLICATIONS[app].title:<{wide}}  {count:>3} exchange{'s' * (count != 1)}  ",
                (_under(own), "dim"),
            )
        )
    return 0


def _under(exchanges: Sequence[Exchange]) -> str:
    """Say under what an application runs, each thing once."""
    said = [
        f"ports {', '.join(str(p) for p in dict.fromkeys(e.port for e in exchanges))}",
        *(["IPv6"] if any(e.family == "ipv6" for e in exchanges) else []),
        *(["checksums"] if any(e.checksum for e in exchanges) else []),
        *dict.fromkeys(e.joining.value.replace("_", " ") for e in exchanges if e.paths > 1),
        *dict.fromkeys(
            e.handover.upset.value.replace("_", " ") for e in exchanges if e.handover is not None
        ),
    ]
    return ", ".join(said)
