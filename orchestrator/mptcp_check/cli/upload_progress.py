"""How far an upload is: one line that changes on a terminal, a line now and then elsewhere."""

import sys

import click

from mptcp_check import clock
from mptcp_upload.consent import size_text
from mptcp_upload.outbox import Entry

LINE_EVERY_NS = 5 * 10**9
"""In a pipe or a log."""
CHANGE_EVERY_NS = 10**8
"""On a terminal."""


class Lines:
    """Says it on standard error."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._next_ns = clock.monotonic_ns() + (0 if self._on_terminal else LINE_EVERY_NS)
        self._open = 0
        """Length of a line on the terminal that is not ended."""

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        """Say how far it is, not more often than somebody can read."""
        now_ns, done = clock.monotonic_ns(), offset_bytes == entry.size_bytes
        if now_ns < self._next_ns and not done:
            return
        self._next_ns = now_ns + (CHANGE_EVERY_NS if self._on_terminal else LINE_EVERY_NS)
        text = f"    {entry.run_id}: {100 * offset_bytes // max(1, entry.size_bytes)} % of"
        text += f" {size_text(entry.size_bytes)}"
        if not done and eta_s is not None:
            text += f", about {duration_text(eta_s)} left"
        if self._on_terminal:
            click.echo(f"\r{text.ljust(self._open)}", err=True, nl=done)
            self._open = 0 if done else len(text)
        else:
            click.echo(text, err=True)

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        """Say why nothing happens."""
        self.end()
        click.echo(f"    {entry.run_id}: {reason}; again in {duration_text(wait_s)}", err=True)

    def end(self) -> None:
        """End the line that is being changed: something else follows."""
        if self._open:
            click.echo(err=True)
            self._open = 0


def duration_text(seconds: float) -> str:
    """Return a duration for people, to the second, minute or hour."""
    if seconds < 100:  # noqa: PLR2004 - from here on minutes say enough
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"  # noqa: PLR2004
