"""The table of exchanges: a row per application, a column per transport."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from mptcp_check.model import Exchange, Outcome, Transport
from mptcp_check.watch import Glimpse

Row = tuple[str, str]
Column = tuple[str, int, bool]

WAITING = Text("·", style="dim")
RUNNING = Text("running", style="cyan")

OUTCOMES: Mapping[Outcome, tuple[str, str, str]] = {
    Outcome.MPTCP: ("✓", "MPTCP", "green"),
    Outcome.MPTCP_DEGRADED: ("!", "MPTCP, path lost", "yellow"),
    Outcome.TCP: ("✓", "TCP", "green"),
    Outcome.FELL_BACK_AT_HANDSHAKE: ("↓", "TCP at handshake", "yellow"),
    Outcome.FELL_BACK_AT_FIRST_DATA: ("↓", "TCP at first data", "yellow"),
    Outcome.FELL_BACK_MIDSTREAM: ("↓", "TCP in mid-stream", "yellow"),
    Outcome.CORRUPTED: ("✗", "data changed", "bold red"),
    Outcome.HUNG: ("✗", "hung", "bold red"),
    Outcome.REFUSED: ("✗", "refused", "red"),
    Outcome.TIMED_OUT: ("✗", "timed out", "red"),
    Outcome.UNREACHABLE: ("✗", "TCP failed too", "red"),
    Outcome.NOT_MEASURED: ("?", "not measured", "magenta"),
}
"""Symbol, words, style: never the colour alone."""


def row(exchange: Exchange) -> Row:
    """Return the row of an exchange: what the application does."""
    mode = f" {exchange.mode}" if exchange.mode else ""
    family = f" {exchange.family}" if exchange.family != "ipv4" else ""
    return f"{exchange.app} {exchange.direction}{mode}{family}", f":{exchange.port}"


def column(exchange: Exchange) -> Column:
    """Return the column of an exchange: how it was transported."""
    if exchange.transport is Transport.TCP:
        return ("TCP (control)", 0, False)
    paths = "1 path" if exchange.paths == 1 else f"{exchange.paths} paths"
    checksum = "\nwith checksum" if exchange.checksum else ""
    return (f"MPTCP, {paths}{checksum}", exchange.paths, exchange.checksum)


def glimpse_text(exchange: Exchange, glimpse: Glimpse) -> Text:
    """Return what can be said before the packets were looked at."""
    if not glimpse.arrived:
        return Text(f"✗ {glimpse.trouble or 'failed'}", style="red")
    if exchange.transport is Transport.TCP:
        return Text("✓ TCP", style="green")
    if not glimpse.over_mptcp:
        return Text("↓ fell back", style="yellow")
    short = glimpse.subflow_count < exchange.paths
    word = f"✓ {glimpse.subflow_count} subflow{'s' if glimpse.subflow_count != 1 else ''}"
    return Text(word, style="yellow" if short else "green")


def outcome_text(outcome: Outcome) -> Text:
    """Return an outcome as symbol and words."""
    symbol, words, style = OUTCOMES[outcome]
    return Text(f"{symbol} {words}", style=style)


def table(exchanges: Sequence[Exchange], cells: Mapping[int, Text]) -> Table:
    """Return the table.

    Args:
        exchanges: The plan.
        cells: What is known by exchange id; the others wait.
    """
    columns = sorted({column(e) for e in exchanges}, key=lambda c: (c[2], c[1]))
    rows = list(dict.fromkeys(row(e) for e in exchanges))
    at = {(row(e), column(e)): e.id for e in exchanges}
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    shown.add_column("application", no_wrap=True)
    for title, _, _ in columns:
        shown.add_column(title)
    for r in rows:
        found = [at.get((r, c)) for c in columns]
        shown.add_row(
            Text.assemble(r[0], (f" {r[1]}", "dim")),
            *(Text("") if i is None else cells.get(i, WAITING) for i in found),
        )
    return shown
