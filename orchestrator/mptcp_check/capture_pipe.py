"""Read a pipe until its writer ends or the user does: what came until then counts."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

POLL_S: Final = 0.2
"""How often the end that the user asked for is noticed."""
REST_S: Final = 0.5
"""How long a writer that got the same Ctrl-C has for its last bytes."""


class Pipe:
    """A file descriptor that is read as bytes come; Ctrl-C and SIGTERM end it, not the program."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._interrupts = 0

    @property
    def interrupted(self) -> bool:
        """Whether the user ended it."""
        return self._interrupts > 0

    def read(self, size: int) -> bytes:
        """Return what came, at most `size` bytes; none at the end.

        Raises:
            KeyboardInterrupt: The user asked a second time.
        """
        silent_s = 0.0
        while True:
            ready, _, _ = select.select([self._descriptor], [], [], POLL_S)
            if self._interrupts > 1:
                raise KeyboardInterrupt
            if ready:
                return os.read(self._descriptor, size)
            silent_s += POLL_S
            if self.interrupted and silent_s >= REST_S:
                return b""

    @contextmanager
    def ending_on_interrupt(self) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM as the end of the pipe while this lasts."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._interrupted) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        self._interrupts += 1
