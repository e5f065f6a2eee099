"""What people see while a run goes on: a live table on a terminal, plain lines elsewhere."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import click
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from mptcp_check import clock
from mptcp_check.cli import exchange_words
from mptcp_check.model import Exchange
from mptcp_check.watch import Glimpse, Watch

DETAIL_EVERY_NS = 2 * 10**9


class PlainWatch:
    """One line on stderr for each thing that happens; for logs, pipes and CI."""

    def __init__(self) -> None:
        self._total = 0
        self._last_detail_ns = 0
        self._done = 0

    def step(self, text: str) -> None:
        """Print the stage."""
        click.echo(f"==> {text}", err=True)

    def detail(self, text: str) -> None:
        """Print one of them every few seconds: enough to see that it goes on."""
        now_ns = clock.monotonic_ns()
        if now_ns - self._last_detail_ns >= DETAIL_EVERY_NS:
            self._last_detail_ns = now_ns
            click.echo(f"    {text}", err=True)

    def planned(self, exchanges: Sequence[Exchange]) -> None:
        """Remember how many follow."""
        self._total = len(exchanges)

    def began(self, exchange: Exchange) -> None:
        """Print nothing: the end follows within seconds, and says more."""

    def ended(self, exchange: Exchange, glimpse: Glimpse) -> None:
        """Print the exchange and how it looked."""
        self._done += glimpse.attempt == 1
        said = exchange_words.glimpse_text(exchange, glimpse).plain
        seconds = glimpse.duration_ns / 1e9
        wide = len(str(self._total))
        click.echo(
            f"  {self._done:>{wide}}/{self._total} {exchange_words.what(exchange)} over"
            f" {exchange_words.how(exchange)}: {said} ({seconds:.1f} s)",
            err=True,
        )


class LiveWatch:
    """A table that fills while the exchanges run, below it the present stage."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._exchanges: Sequence[Exchange] = ()
        self._cells: dict[int, Text] = {}
        self._running: int | None = None
        self._step = ""
        self._detail = ""
        self._spinner = Spinner("dots")

    def step(self, text: str) -> None:
        """Show the stage under the table."""
        self._step = text
        self._detail = ""
        self._show()

    def detail(self, text: str) -> None:
        """Show it beside the stage."""
        self._detail = text
        self._show()

    def planned(self, exchanges: Sequence[Exchange]) -> None:
        """Show the empty table."""
        self._exchanges = exchanges
        self._show()

    def began(self, exchange: Exchange) -> None:
        """Mark the running cell, and say what runs."""
        self._running = exchange.id
        self._detail = f"{exchange_words.what(exchange)} over {exchange_words.how(exchange)}"
        self._show()

    def ended(self, exchange: Exchange, glimpse: Glimpse) -> None:
        """Count it in its cell."""
        self._running = None
        self._cells[exchange.id] = exchange_words.glimpse_text(exchange, glimpse)
        self._show()

    def _show(self) -> None:
        self._spinner.update(text=Text.assemble(self._step, (f"  {self._detail}", "dim")))
        if self._exchanges:
            # it knows what exchanges can end like, and with that all of the analysis
            from mptcp_check.cli import table  # noqa: PLC0415 - while the machines boot

            filled = table.progress_table(
                self._exchanges,
                self._cells,
                running=self._running,
                width=self._live.console.width,
            )
            self._live.update(Group(filled, self._spinner))
        else:
            self._live.update(self._spinner)


WIDTH = 110
"""Columns where there is no terminal to ask."""


def console(*, stderr: bool = True) -> Console:
    """Return where text for people goes: standard error, or standard output for lists."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found.width = WIDTH
    return found


class JsonWatch:
    """Events as JSON lines on standard output."""

    def step(self, text: str) -> None:
        """Write the stage."""
        self._write("step", text=text)

    def detail(self, text: str) -> None:
        """Write what the stage is at."""
        self._write("detail", text=text)

    def planned(self, exchanges: Sequence[Exchange]) -> None:
        """Write the plan."""
        self._write("planned", exchanges=[asdict(e) for e in exchanges])

    def began(self, exchange: Exchange) -> None:
        """Write which exchange began."""
        self._write("began", exchange=exchange.id)

    def ended(self, exchange: Exchange, glimpse: Glimpse) -> None:
        """Write how an exchange looked at its end."""
        self._write("ended", exchange=exchange.id, **asdict(glimpse))

    def _write(self, event: str, **fields: object) -> None:
        click.echo(json.dumps({"event": event, **fields}))


@contextmanager
def watching(console: Console, *, jsonl: bool = False) -> Iterator[Watch]:
    """Give the watch that fits the terminal, or the lack of one."""
    if jsonl:
        yield JsonWatch()
        return
    if not console.is_terminal:
        yield PlainWatch()
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield LiveWatch(live)
