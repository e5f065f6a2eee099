"""Power the machine off when the host has stopped answering.

A process of its own, forked before the agent has threads: it works when the agent hangs or is
killed, and however the connection to the host was lost.  The agent tells it of every line that
the host sends; an empty line is a sign of life and nothing else, so the host can send it while a
long verb is at work.
"""

import os
import select
import signal
import struct
from collections.abc import Callable
from contextlib import suppress

from mptcp_guest import clock, messages
from mptcp_guest.refusal import RefusalError

LONGEST_S = 3600.0
COMMAND = struct.Struct("=d")
"""What goes through the pipe: seconds of patience from now on, 0 for no more watching."""


class Watchdog:
    """The agent's end: armed by a verb, renewed by every line."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._within_s = 0.0

    @classmethod
    def start(cls, at_end: Callable[[], object]) -> "Watchdog":
        """Fork the watching process; call it before any thread is started.

        Args:
            at_end: What it does when the time is over.
        """
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(writing)
            _watch_alone(reading, at_end)
        os.close(reading)
        return cls(writing)

    def arm(self, arguments: messages.WatchdogArguments) -> messages.WatchdogResult:
        """Begin to watch, with another patience if it had begun; 0 ends it.

        Raises:
            RefusalError: The patience is none.
        """
        within_s = float(arguments["within_s"])
        if not 0 <= within_s <= LONGEST_S:
            raise RefusalError("bad_arguments", f"within_s {within_s:g}: 0 to {LONGEST_S:g}")
        self._within_s = within_s
        self._tell(within_s)
        return messages.WatchdogResult(within_s=within_s)

    def renew(self) -> None:
        """Begin the patience anew; nothing when it is not watching."""
        if self._within_s:
            self._tell(self._within_s)

    def _tell(self, within_s: float) -> None:
        # a watching process that is gone cannot be told; nor can it do harm
        with suppress(BrokenPipeError):
            os.write(self._pipe, COMMAND.pack(within_s))


def watch(
    read: Callable[[float | None], bytes], now_ns: Callable[[], int] = clock.monotonic_ns
) -> bool:
    """Watch until there is nothing more to watch; say whether the patience is over.

    Args:
        read: Waits so many seconds, or without end, for the next command; none when the time is
            over; raises EOFError once, when the agent is gone, and only waits after that.
        now_ns: The clock that never goes back.

    The agent's end is no sign of life: what was armed stays so.
    """
    end_ns: int | None = None
    gone = False
    while not (gone and end_ns is None):
        left_s = None if end_ns is None else max(0.0, (end_ns - now_ns()) / 1e9)
        if left_s == 0.0:
            return True
        if gone:
            read(left_s)  # nothing more comes: it only passes the time
            continue
        try:
            command = read(left_s)
        except EOFError:
            gone = True
            continue
        if command:
            within_s = COMMAND.unpack(command)[0]
            end_ns = now_ns() + int(within_s * 1e9) if within_s else None
    return False


def _watch_alone(pipe: int, at_end: Callable[[], object]) -> None:
    """Be the watching process; never returns."""
    # what ends the agent and its connection must not end this
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        _close_all_but(pipe)
        if watch(_reader(pipe)):
            at_end()
    finally:
        os._exit(0)


def _close_all_but(pipe: int) -> None:
    # the agent's input and output must end with the agent
    os.closerange(0, pipe)
    os.closerange(pipe + 1, 4096)
    nowhere = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        if number not in (nowhere, pipe):
            os.dup2(nowhere, number)


def _reader(pipe: int) -> Callable[[float | None], bytes]:
    poll = select.poll()
    poll.register(pipe, select.POLLIN)

    def read(seconds: float | None) -> bytes:
        if not poll.poll(None if seconds is None else max(1, round(seconds * 1000))):
            return b""
        command = os.read(pipe, COMMAND.size)
        if not command:
            poll.unregister(pipe)  # its end would wake every wait from now on
            raise EOFError
        return command

    return read
