"""A run as a table on the terminal: a row per application, a column per condition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from mptcp_check.analysis.reporting import matrix, words
from mptcp_check.analysis.reporting.matrix import Cell, Matrix
from mptcp_check.model import Exchange, Outcome

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


def outcome_text(outcome: Outcome) -> Text:
    """Return an outcome as symbol and words."""
    symbol, said, style = OUTCOMES[outcome]
    return Text(f"{symbol} {said}", style=style)


LEGEND = (
    "✓ 3: three exchanges of the kind, all as they should be; another sign and 1/3: one of three"
    " was not, and below it says what happened"
)

RULED_GAP = 3
"""Columns between two columns of a table with a rule below its head; without one it is 1."""


def table(found: Matrix, *, width: int) -> Table:
    """Return the table of a finished run: with a word in each cell where there is room for them.

    Args:
        found: What it shows.
        width: Of the terminal, in columns.
    """
    titles = [column.title for column in found.columns]
    rows: list[list[Text]] = []
    for with_words in (True, False):
        rows = [
            [Text(row.app), *(_cell_text(cell, with_words=with_words) for cell in row.cells)]
            for row in found.rows
        ]
        if _needed(titles, rows) <= width:
            break
    return _filled(titles, rows, width=width)


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
    rows = [
        [Text(app), *(_progress(own.get(t, []), cells, running) for t in titles)]
        for app, own in kinds.items()
    ]
    return _filled(titles, rows, width=width)


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


def _needed(titles: Sequence[str], rows: Sequence[Sequence[Text]]) -> int:
    """Return how wide a ruled table is."""
    heads = [len(APPLICATION), *map(len, titles)]
    widths = [max(head, *(row[n].cell_len for row in rows)) for n, head in enumerate(heads)]
    return sum(widths) + RULED_GAP * len(widths)


APPLICATION = "application"


def _filled(titles: Sequence[str], rows: Sequence[Sequence[Text]], *, width: int) -> Table:
    # a rule and its margins take what ten columns need on a narrow terminal
    ruled = not rows or _needed(titles, rows) <= width
    shown = Table(
        box=box.SIMPLE_HEAD if ruled else None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )
    shown.add_column(APPLICATION if ruled else "", no_wrap=True)
    for title in titles:
        shown.add_column(title, no_wrap=True)
    for row in rows:
        shown.add_row(*row)
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
