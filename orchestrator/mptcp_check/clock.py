"""The only module that reads a clock; everything else takes the time as an argument."""

import datetime as dt
import time


def wall_ns() -> int:
    """Return the time of day in nanoseconds since 1970, UTC."""
    return time.time_ns()  # noqa: TID251 - this is the one place


def monotonic_ns() -> int:
    """Return nanoseconds of a clock that never goes back; for durations and deadlines."""
    return time.monotonic_ns()  # noqa: TID251 - this is the one place


def utc_text(time_ns: int) -> str:
    """Return a wall clock time as ISO 8601 text in UTC, to the second."""
    moment = dt.datetime.fromtimestamp(time_ns // 10**9, tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
