"""A run as a table on the terminal: a row per application, a column per condition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from mptcp_check.analysis.reporting import matrix, words
from mptcp_check.analysis.reporting.matrix import Cell, Matrix
from mptcp_check.model import Exchange, Handover, Outcome, Transport
from mptcp_check.watch import Glimpse

OUTCOMES: Mapping[Outcome, tuple[str, str, str]] = {
    Outcome.MPTCP: ("✓", "MPTCP", "green"),
    Outcome.MPTCP_DEGRADED: ("!", "path lost", "yellow"),
    Outcome.TCP: ("✓", "TCP", "green"),
    Outcome.TCP_BROKE: ("·", "TCP broke", "dim"),
    Outcome.FELL_BACK_AT_HANDSHAKE: ("↓", "TCP at handshake", "yellow"),
    Outcome.FELL_BACK_AT_FIRST_DATA: ("↓", "TCP at first data", "yellow"),
    Outcome.FELL_BACK_MIDSTREAM: ("↓", "TCP in mid-stream", "yellow"),
    Outcome.UNSTABLE: ("~", "unstable", "yellow"),
    Outcome.CORRUPTED: ("✗", "data changed", "bold red"),
    Outcome.HUNG: ("✗", "hung", "bold red"),
    Outcome.REFUSED: ("✗", "refused", "red"),
    Outcome.TIMED_OUT: ("✗", "timed out", "red"),
    Outcome.UNREACHABLE: ("○", "TCP failed too", "red"),
    Outcome.NOT_MEASURED: ("?", "not measured", "magenta"),
}
"""Symbol, words, style: never the colour alone."""


def what(exchange: Exchange) -> str:
    """Return what an exchange does, and where: ``ftp active download :21 IPv6``."""
    mode = f" {exchange.mode}" if exchange.mode else ""
    family = " IPv6" if exchange.family == "ipv6" else ""
    return f"{exchange.app}{mode} {exchange.direction} :{exchange.port}{family}"


def how(exchange: Exchange) -> str:
    """Return how an exchange is transported: ``MPTCP, 2 paths, checksum``."""
    upset = _upset_words(exchange.handover)
    if exchange.transport is Transport.TCP:
        return f"TCP{upset or ' (control)'}"
    paths = "1 path" if exchange.paths == 1 else f"{exchange.paths} paths"
    joining = words.JOININGS.get(exchange.joining.value, "") if exchange.paths > 1 else ""
    checksum = ", checksum" if exchange.checksum else ""
    return f"MPTCP, {paths}{f', {joining}' if joining else ''}{checksum}{upset}"


def _upset_words(handover: Handover | None) -> str:
    return "" if handover is None else f", {words.UPSETS[handover.upset.value].lower()}"


def glimpse_text(exchange: Exchange, glimpse: Glimpse) -> Text:
    """Return what can be said before the packets were looked at."""
    again = f", try {glimpse.attempt}" if glimpse.attempt > 1 else ""
    if not glimpse.arrived:
        return Text(f"✗ {glimpse.trouble or 'failed'}{again}", style="red")
    if exchange.transport is Transport.TCP:
        return Text(f"✓ TCP{again}", style="green")
    if not glimpse.over_mptcp:
        return Text(f"↓ fell back{again}", style="yellow")
    short = glimpse.subflow_count < exchange.paths
    plural = "s" if glimpse.subflow_count != 1 else ""
    word = f"{'!' if short else '✓'} {glimpse.subflow_count} subflow{plural}{again}"
    return Text(word, style="yellow" if short else "green")


def outcome_text(outcome: Outcome) -> Text:
    """Return an outcome as symbol and words."""
    symbol, said, style = OUTCOMES[outcome]
    return Text(f"{symbol} {said}", style=style)


LEGEND = (
    "✓ 3: three exchanges of the kind, all as they should be; another sign and 1/3: one of three"
    " was not, and below it says what happened"
)

WIDE = 100
"""From so many columns on there is room for a word in each cell."""


def table(found: Matrix, *, width: int) -> Table:
    """Return the table of a finished run.

    Args:
        found: What it shows.
        width: Of the terminal, in columns.
    """
    shown = _empty([column.title for column in found.columns], width=width)
    for row in found.rows:
        cells = (_cell_text(cell, with_words=width >= WIDE) for cell in row.cells)
        shown.add_row(Text(row.app), *cells)
    return shown


def progress_table(
    exchanges: Sequence[Exchange],
    cells: Mapping[int, Text],
    *,
    running: int | None,
    width: int,
) -> Table:
    """Return the table of a run that goes on: how many of each kind are done, and how they look.

    Args:
        exchanges: The plan.
        cells: What is known by exchange id.
        running: The id of the exchange that runs.
        width: Of the terminal, in columns.
    """
    kinds: dict[str, dict[str, list[Exchange]]] = {}
    for exchange in exchanges:
        title = matrix.column_title(plain(exchange)) or "handover"
        kinds.setdefault(exchange.app, {}).setdefault(title, []).append(exchange)
    titles = [t for t in matrix.ORDER if any(t in own for own in kinds.values())]
    shown = _empty(titles, width=width)
    for app, own in kinds.items():
        shown.add_row(app, *(_progress(own.get(t, []), cells, running) for t in titles))
    return shown


def plain(exchange: Exchange) -> dict[str, Any]:
    """Return an exchange of a plan as a run's document has it, before there is an outcome."""
    return {
        **asdict(exchange),
        "family": exchange.family.value,
        "transport": exchange.transport.value,
        "joining": exchange.joining.value,
    }


def _progress(own: Sequence[Exchange], cells: Mapping[int, Text], running: int | None) -> Text:
    if not own:
        return Text("")
    done = [cells[e.id] for e in own if e.id in cells]
    worst = next((t for t in done if not t.plain.startswith("✓")), None)
    mark, style = (worst.plain[:1], worst.style) if worst else ("✓", "green")
    if any(e.id == running for e in own):
        return Text(f"▸ {len(done)}/{len(own)}", style="cyan")
    if not done:
        return Text(f"· {len(own)}", style="dim")
    return Text(
        f"{mark} {len(done)}/{len(own)}" if len(done) < len(own) else f"{mark} {len(own)}",
        style=style,
    )


def _empty(titles: Sequence[str], *, width: int) -> Table:
    shown = Table(
        # a rule and its margins take what eight columns need on a narrow terminal
        box=box.SIMPLE_HEAD if width >= WIDE else None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    shown.add_column("application" if width >= WIDE else "", no_wrap=True)
    for title in titles:
        shown.add_column(title, no_wrap=True)
    return shown


def _cell_text(cell: Cell | None, *, with_words: bool) -> Text:
    if cell is None:
        return Text("")
    if cell.is_good:
        return Text(f"✓ {cell.count}", style="green")
    symbol, _, style = OUTCOMES[cell.worst]
    met = [words.SHORT[cell.worst]] if with_words and cell.worst in words.SHORT else []
    many = f"{cell.count - cell.good_count}/{cell.count}"
    return Text(" ".join([symbol, *met, many]), style=style)
