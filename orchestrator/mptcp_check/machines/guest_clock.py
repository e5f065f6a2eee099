"""The guests' clocks against the host's: measured by round trips, set once, the rest recorded.

A guest reads its start time from a clock with steps of one second (0.3 to 1.1 s off was measured),
so captures of two guests would disagree by more than any delay worth measuring.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mptcp_check.machines.clock_offset import ClockOffset
from mptcp_check.machines.measured_network import Answers

ROUND_TRIPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One question for the time."""

    asked_ns: int
    answered_ns: int
    said_ns: int


def offset(trips: Sequence[RoundTrip]) -> ClockOffset:
    """Return the offset by the quickest of some round trips (Cristian's algorithm).

    Raises:
        ValueError: There is no round trip.
    """
    best = min(trips, key=lambda t: t.answered_ns - t.asked_ns)
    return ClockOffset(
        offset_ns=best.said_ns - (best.asked_ns + best.answered_ns) // 2,
        uncertainty_ns=(best.answered_ns - best.asked_ns + 1) // 2,
    )


def measure(agent: Answers, wall_ns: Callable[[], int]) -> ClockOffset:
    """Ask a guest for its time some times and return its offset."""
    trips = []
    for _ in range(ROUND_TRIPS):
        asked_ns = wall_ns()
        said_ns = agent.call("clock")["wall_ns"]
        trips.append(RoundTrip(asked_ns=asked_ns, answered_ns=wall_ns(), said_ns=said_ns))
    return offset(trips)


def set_clock(agent: Answers, wall_ns: Callable[[], int]) -> ClockOffset:
    """Set a guest's clock to the host's, once, and return what is left of the difference."""
    half_trip_ns = measure(agent, wall_ns).uncertainty_ns
    agent.call("clock", {"set_wall_ns": wall_ns() + half_trip_ns})
    return measure(agent, wall_ns)
