"""A progress bar for captures that take their time; nothing where nobody looks."""

import threading
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from mptcp_check.analysis.reporting.report_text import byte_count

PATIENCE_S: Final = 2.0
"""A capture that is done sooner shows no bar."""


class SlowProgress:
    """Appears on a terminal after two seconds, vanishes at its end."""

    def __init__(self, console: Console, text: str) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[size]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(text, total=None, size="")
        self._timer = threading.Timer(PATIENCE_S, self._bar.start)
        self._timer.daemon = True
        self._wanted = console.is_terminal

    def __enter__(self) -> Self:
        """Begin to wait."""
        if self._wanted:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._timer.cancel()
        if self._wanted:
            self._timer.join()
            self._bar.stop()

    def say(self, text: str) -> None:
        """Name what is done now, which nobody knows the length of."""
        self._bar.reset(self._task, description=text, total=None, size="")

    def __call__(self, done_bytes: int, total_bytes: int | None) -> None:
        """Move the bar."""
        size = byte_count(done_bytes)
        if total_bytes is not None:
            size = f"{size} of {byte_count(total_bytes)}"
        self._bar.update(self._task, completed=done_bytes, total=total_bytes, size=size)

    def counted(self, done_count: int, total_count: int) -> None:
        """Move the bar by things that are not bytes."""
        size = f"{done_count:,} of {total_count:,}"
        self._bar.update(self._task, completed=done_count, total=total_count, size=size)
