"""The offset between a server's clock and ours, from a few exchanges of times; PURE.

As NTP does it (RFC 5905, section 8): of four times, sent and received at either end, the offset
lies within half the time that the way there and back took.  Several exchanges narrow it: every
one gives an interval that holds the offset, as long as neither clock is set in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The four times of one question; nanoseconds, each by the clock of where it was read."""

    client_sent_ns: int
    server_received_ns: int
    server_sent_ns: int
    client_received_ns: int

    @property
    def earliest_ns(self) -> int:
        """The offset is not below this: the answer cannot arrive before it was sent."""
        return self.server_sent_ns - self.client_received_ns

    @property
    def latest_ns(self) -> int:
        """The offset is not above this: the question was not received before it was sent."""
        return self.server_received_ns - self.client_sent_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """How far a server's clock is ahead of ours."""

    offset_ns: int
    """Server minus client, the middle of the bounds."""
    error_ns: int
    """It is that far off at most; the real error is mostly much smaller."""
    round_trip_ns: int
    """The shortest of all exchanges, the server's own time taken off."""
    exchange_count: int
    stepped: bool
    """Whether the exchanges contradict each other: a clock was set while we asked."""


def offset(exchanges: Sequence[Exchange]) -> Offset | None:
    """Return the offset that all exchanges allow; none without an exchange.

    When they contradict each other, the one with the shortest way is believed.
    """
    if not exchanges:
        return None
    best = min(exchanges, key=lambda one: one.latest_ns - one.earliest_ns)
    low = max(one.earliest_ns for one in exchanges)
    high = min(one.latest_ns for one in exchanges)
    stepped = low > high
    if stepped:
        low, high = sorted((best.earliest_ns, best.latest_ns))
    return Offset(
        offset_ns=(low + high) // 2,
        error_ns=(high - low + 1) // 2,
        round_trip_ns=max(0, best.latest_ns - best.earliest_ns),
        exchange_count=len(exchanges),
        stepped=stepped,
    )
