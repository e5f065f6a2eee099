"""How long a plan takes and how much it sends, said before anything runs; PURE.

The numbers were measured on the embedded network (two emulated machines, 40 Mbit/s and 10 ms) and
hold for a real one as far as its rate is the assumed one; what was really sent is said afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.model import Exchange

RATE_BPS = 20_000_000
"""Assumed of a path that nobody knows yet: a fair home line."""

WIRE_FACTOR = 1.08
"""Ethernet, IP, TCP with time stamps and DSS around 1,428 bytes of payload, and the other way's
acknowledgements: 90 to 110 bytes for each segment."""

CONNECTION_BYTES = 6_000
"""Handshakes, an application's own words, and the end, of all subflows."""

EACH_S = 0.7
"""Around an exchange: both ends set up, counters read, the connections' coming to rest."""

CONNECTED_S = 0.3
"""Until the first byte: handshakes and a slow start."""

HANDOVER_S = 2.5
"""What a stall lasts beyond the time that the path was away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan will cost, about."""

    exchanges_count: int
    payload_bytes: int
    wire_bytes: int
    """At the client's interfaces, both ways."""
    duration_s: float
    """From the first exchange to the last; booting machines and judging come on top."""
    traffic_s: float
    """Of it, while something is sent."""
    cap_bytes: int | None = None
    """Where the run ends whatever happens; none where nothing is capped."""


def wire_bytes(exchange: Exchange) -> int:
    """Return how many bytes an exchange takes on the client's wire, without losses."""
    return round(exchange.payload_bytes * WIRE_FACTOR) + CONNECTION_BYTES * (1 + exchange.paths)


def estimate(
    planned: Sequence[Exchange], *, rate_bps: int = RATE_BPS, cap_bytes: int | None = None
) -> Estimate:
    """Return what a plan will cost.

    Args:
        planned: The exchanges, as the network can run them.
        rate_bps: Of one path.
        cap_bytes: What the user allows, if anything is capped.
    """
    traffic_s = sum(_traffic_s(e, rate_bps) for e in planned)
    return Estimate(
        exchanges_count=len(planned),
        payload_bytes=sum(e.payload_bytes for e in planned),
        wire_bytes=sum(map(wire_bytes, planned)),
        duration_s=traffic_s + EACH_S * len(planned),
        traffic_s=traffic_s,
        cap_bytes=cap_bytes,
    )


def words(cost: Estimate) -> str:
    """Say it in a sentence."""
    capped = "" if cost.cap_bytes is None else f", and never more than {_size(cost.cap_bytes)}"
    plural = "" if cost.exchanges_count == 1 else "s"
    return (
        f"{cost.exchanges_count} exchange{plural}: about {_time(cost.duration_s)} and"
        f" {_size(cost.wire_bytes)} on the client's network{capped}"
    )


def _traffic_s(exchange: Exchange, rate_bps: int) -> float:
    sent_s = wire_bytes(exchange) * 8 / rate_bps
    handover = exchange.handover
    return CONNECTED_S + sent_s + (0 if handover is None else handover.lasts_s + HANDOVER_S)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 10_000_000 else f"{round(count / 1e6)} MB"  # noqa: PLR2004 - two digits


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
