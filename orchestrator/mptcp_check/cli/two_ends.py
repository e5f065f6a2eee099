"""The second half of `inspect --server`: what the path did, on the terminal and as values."""

import heapq
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mptcp_check.analysis.one_way.values import SubflowWays, TwoEnds
from mptcp_check.cli import two_ends_words
from mptcp_check.model import Side

MOST_SUBFLOWS: Final = 12
"""Shown unless all are asked for: those with most losses, then those with most packets."""


def show(console: Console, ends: TwoEnds, *, all_subflows: bool) -> None:
    """Print what the two captures tell together.

    Args:
        console: Where.
        ends: What was measured.
        all_subflows: Not only those that lost most.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for title, sentence in two_ends_words.overview(ends):
        grid.add_row(title, sentence)
    console.print(grid)
    shown = list(ends.subflows)
    if not all_subflows and len(shown) > MOST_SUBFLOWS:
        first = set(map(id, heapq.nlargest(MOST_SUBFLOWS, shown, key=_weight)))
        shown = [subflow for subflow in shown if id(subflow) in first]
    for subflow in shown:
        connection, number = subflow.numbers[Side.CLIENT]
        heading = f"connection {connection}, path {number}"
        console.print(Text.assemble((heading, "bold"), f"  {subflow.client} → {subflow.server}"))
        console.print(_ways(subflow))
    if len(shown) < len(ends.subflows):
        rest = f"{len(ends.subflows) - len(shown):,} more subflows: --all shows them"
        console.print(Text(rest, style="dim"))


def _weight(subflow: SubflowWays) -> tuple[int, int]:
    ways = (subflow.c2s, subflow.s2c)
    return sum(m.lost_count for m in ways), sum(m.sent_count for m in ways)


def _ways(subflow: SubflowWays) -> Table:
    lines = Table.grid(padding=(0, 1))
    for _ in range(3):
        lines.add_column()
    for direction, name in two_ends_words.WAYS.items():
        metrics = subflow.way(direction)
        symbol, style = ("✗", "red") if metrics.lost_count else ("•", "")
        words = Text.assemble(f"{name}: {two_ends_words.way(metrics)}")
        lines.add_row("", Text(symbol, style=style), words)
    return lines
