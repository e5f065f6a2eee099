"""The only module of the guest that reads a clock, or sets it."""

import time


def wall_ns() -> int:
    """Return the guest's time of day in nanoseconds since 1970, UTC."""
    return time.time_ns()  # noqa: TID251 - this is the guest's one place


def monotonic_ns() -> int:
    """Return nanoseconds of a clock that never goes back; for durations and deadlines."""
    return time.monotonic_ns()  # noqa: TID251 - this is the guest's one place


def set_wall_ns(time_ns: int) -> None:
    """Set the machine's time of day; only ever in a machine that is thrown away.

    Raises:
        OSError: The process may not, or the kernel does not take that time.
    """
    time.clock_settime_ns(time.CLOCK_REALTIME, time_ns)
