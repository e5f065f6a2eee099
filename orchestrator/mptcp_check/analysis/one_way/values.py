"""What two captures of the same packets tell, as values: fates, delays, the clocks' difference."""

import enum
from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.flows.subflows import Role
from mptcp_check.model import Direction, Side


class Fate(enum.IntEnum):
    """What became of a segment that the sender's capture holds."""

    ARRIVED = 0
    """The receiver's capture holds it."""
    LOST = 1
    """Lost between the two capture points."""
    DROPPED_BY_HOST = 2
    """It arrived at the receiver's capture point, and the receiver did not take it: it was not
    acknowledged before a later copy arrived."""
    NOT_CAPTURED = 3
    """The receiver acknowledged it, but its capture does not hold it: the capture lost it."""
    RESIZED = 4
    """Its bytes arrived in segments that are not the sender's one to one: split or merged, by
    segmentation offload at an end or by a middlebox."""
    NOT_OBSERVED = 5
    """The other capture did not run when it should have arrived, as far as that shows."""
    UNKNOWN = 6
    """The path or the receiver's capture lost it: nothing tells which."""


FATE_WORDS: Final[dict[Fate, str]] = {
    Fate.ARRIVED: "arrived",
    Fate.LOST: "lost",
    Fate.DROPPED_BY_HOST: "dropped by host",
    Fate.NOT_CAPTURED: "not captured",
    Fate.RESIZED: "resized",
    Fate.NOT_OBSERVED: "not observed",
    Fate.UNKNOWN: "unknown",
}
"""As documents and tables name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEstimate:
    """How the server's clock stands against the client's: ``server = client + offset``.

    The offset at another time is ``offset_ns + drift * (time - reference_ns)``, with `drift` the
    applied one.  Bounds are hard: no segment arrives before it was sent.  Within them the offset is
    taken where both directions have the same least delay; on a path whose two directions differ it
    is anywhere between, and every delay shares that error.  Variation does not.
    """

    reference_ns: int
    """By the client's clock: the middle of the time that both captures share."""
    offset_ns: int
    """The middle of what the applied drift leaves open; within the bounds."""
    offset_low_ns: int
    offset_high_ns: int
    drift_ppm: float | None
    """How much faster the server's clock runs, parts per million; none if not estimated."""
    drift_low_ppm: float | None
    drift_high_ppm: float | None
    drift_applied_ppm: float
    """What delays were corrected by: `drift_ppm` where its interval leaves out 0, else 0."""
    not_estimated: str | None
    """Why there is no drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A distribution of times, nanoseconds: nearest-rank percentiles; none without a sample."""

    count: int = 0
    min_ns: int | None = None
    median_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None
    max_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayMetrics:
    """What happened to one direction of one subflow between the two capture points."""

    sent_count: int
    """Segments that the sender's capture holds, every copy of a retransmission for itself."""
    arrived_count: int
    """Of these, held by the receiver's capture too; `dropped_by_host_count` is part of it."""
    lost_count: int
    lost_data_count: int
    """Lost segments with payload."""
    lost_again_count: int
    """Lost segments that were themselves retransmissions."""
    dropped_by_host_count: int
    not_captured_count: int
    resized_count: int
    resized_lost_bytes: int
    """Payload of resized segments less that of the segments that arrived of them."""
    not_observed_count: int
    unknown_count: int
    unsent_count: int
    """Segments that only the receiver's capture holds: the sender's lost them, or injected."""
    duplicate_count: int
    """Further arrivals of a segment that was sent once: RFC 5560, section 3."""
    reordered_count: int
    """Arrivals after a segment that was sent later: RFC 4737, section 3.3."""
    reordering_extent_max_count: int
    """Most segments that a reordered one came too late by: RFC 4737, section 4.2.1."""
    loss_ratio: float | None
    """Lost of lost and arrived, 0 to 1: RFC 7680; none without any."""
    loss_period_count: int
    """Runs of lost segments, in the order of sending: RFC 3357, section 4.5."""
    loss_run_max_count: int
    """Segments of the longest run."""
    loss_distance_median_count: int | None
    """Segments from one loss to the next, the median: RFC 3357, section 4.4."""
    delay_min_ns: int | None
    """Least one-way delay, by the corrected clocks: RFC 7679; may be below 0 within its error."""
    delay_error_ns: int | None
    """Half of what the offset's bounds leave open; none without an estimate of the clock, when
    `delay_min_ns` still holds the clocks' difference."""
    variation: Spread
    """Delay less the least one of this direction (PDV): RFC 5481, section 4.2."""
    consecutive: Spread
    """Delay less that of the segment sent before, with its sign (IPDV): RFC 3393, section 4.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubflowWays:
    """One subflow that both captures hold."""

    connection: int
    """``PairedConnection.id``."""
    subflow: int
    """``PairedSubflow.id``."""
    role: Role
    client: Endpoint
    """As the client machine's capture has it; the server's may differ behind a translator."""
    server: Endpoint
    numbers: dict[Side, tuple[int, int]]
    """Connection and subflow as each capture alone numbers them."""
    c2s: WayMetrics
    s2c: WayMetrics

    def way(self, direction: Direction) -> WayMetrics:
        """Return one direction."""
        return self.c2s if direction is Direction.C2S else self.s2c


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crossings:
    """Every segment that was sent, as columns: by subflow, direction and time of sending."""

    subflow: Column
    """int64: index into ``TwoEnds.subflows``."""
    by_server: Column
    """bool: direction s2c."""
    sent_at_server: Column
    """bool: the server machine's capture is the sender's."""
    sent_frame: Column
    """int64: Wireshark's number in the sender's capture."""
    received_frame: Column
    """int64: in the receiver's capture; 0 where it is not there.  Of a resized segment the frame
    that begins with its first byte."""
    sent_ns: Column
    """int64: by the sender's clock."""
    received_ns: Column
    """int64: by the receiver's clock; 0 where it is not there."""
    delay_ns: Column
    """int64: by the corrected clocks, where `has_delay`."""
    has_delay: Column
    """bool: it arrived, or its first byte did, and which arrival is its own is beyond doubt."""
    payload_bytes: Column
    """int64."""
    copy: Column
    """int64: which copy of its bytes, from 0; more than 0 is a retransmission."""
    fate: Column
    """int8: `Fate`."""

    def __len__(self) -> int:
        """Return the count of segments."""
        return len(self.fate)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoEnds:
    """What two captures tell together."""

    clock: ClockEstimate | None
    """None where no segment crossed in one of the directions."""
    subflows: tuple[SubflowWays, ...]
    """Those in both captures, in the order of connections."""
    crossings: Crossings
    alone_count: dict[Side, int]
    """Subflows that only this capture holds."""
    proxied_count: int
    """Subflows that are two TCP connections, one at each side of a proxy: nothing crosses."""
    unaligned_count: int
    """Subflows whose SYNs were not captured and whose payload does not line up either."""
    lossy: dict[Side, bool]
    """Whether the capture lost segments itself, as its own counters or the other one tell."""
