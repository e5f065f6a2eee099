"""Bounded waiting: for a moment, for a process, and never past the orchestrator's going away."""

import math
import os
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from subprocess import Popen

from mptcp_guest import clock
from mptcp_guest.refusal import RefusalError

POLL_S = 0.05
"""How often a condition is looked at that announces itself by nothing."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the clock that never goes back."""

    end_ns: int

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the moment that is so many seconds away."""
        return cls(clock.monotonic_ns() + int(seconds * 1e9))

    def earlier(self, seconds: float) -> "Deadline":
        """Return this moment, or the one so many seconds away if that comes first."""
        return Deadline(min(self.end_ns, Deadline.after(seconds).end_ns))

    def but(self, seconds: float) -> "Deadline":
        """Return the moment so many seconds before this one."""
        return Deadline(self.end_ns - int(seconds * 1e9))

    @property
    def left_s(self) -> float:
        """Seconds until then, 0 when it has passed."""
        return max(0.0, (self.end_ns - clock.monotonic_ns()) / 1e9)


@dataclass(frozen=True, slots=True)
class Stop:
    """Set once, when the orchestrator is gone; every wait ends then.

    An eventfd, so that one `select.poll` waits for a process (pidfd_open(2)) and for this.
    """

    fileno: int = field(default_factory=lambda: os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def set(self) -> None:
        """End all waits, now and later; safe in a signal handler and in any thread."""
        os.eventfd_write(self.fileno, 1)

    def wait(self, seconds: float) -> None:
        """Sleep.

        Raises:
            RefusalError: The orchestrator went away meanwhile.
        """
        self._poll(None, seconds)

    def wait_for_exit(self, process: Popen[bytes], until: Deadline) -> bool:
        """Wait for a process to end, and say whether it did; `subprocess` may reap it then.

        Raises:
            RefusalError: The orchestrator went away meanwhile.
        """
        if process.returncode is not None:
            return True
        descriptor = os.pidfd_open(process.pid)
        try:
            return self._poll(descriptor, until.left_s)
        finally:
            os.close(descriptor)

    def wait_until(
        self, condition: Callable[[], bool], until: Deadline, *, every_s: float = POLL_S
    ) -> bool:
        """Look again and again until a condition holds, and say whether it came to hold.

        Args:
            condition: Looked at once at least.
            until: When to give up.
            every_s: How often to look.

        Raises:
            RefusalError: The orchestrator went away meanwhile.
        """
        while not condition():
            left_s = until.left_s
            if not left_s:
                return False
            self.wait(min(every_s, left_s))
        return True

    def _poll(self, descriptor: int | None, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        ready = [number for number, _ in poll.poll(milliseconds(seconds))]
        if self.fileno in ready:
            raise RefusalError("stopped", "the orchestrator went away")
        return bool(ready)


def ends_within(process: Popen[bytes], seconds: float) -> bool:
    """Say whether a process ends in that time; it is not reaped, so its number stays its own."""
    if process.returncode is not None:
        return True
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds(seconds)))
    finally:
        os.close(descriptor)


def exit_code(process: Popen[bytes]) -> int | None:
    """Return the exit code of a process that has ended, as `Popen.poll`; it is not reaped.

    So its group keeps its number, and what it leaves behind can be ended with that.
    """
    if process.returncode is not None:
        return process.returncode
    try:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # another thread has just reaped it
        return process.poll()
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def milliseconds(seconds: float) -> int:
    """Return a time for poll(2): never less, so that what waits to a deadline ends after it."""
    return math.ceil(seconds * 1000)
