"""What became of a transfer whose first path went away: how long it paused, and where it went on.

The pause is the longest gap in what the receiver could hand to its application, which is data in
order: bytes that come by the other path while a hole is open are progress only when it is filled.
Times are of the receiver's own capture.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.flows.connections import Role
from mptcp_check.analysis.pairing.paired import Half, PairedConnection
from mptcp_check.model import Direction, Finding, State, Upset

_MAPPING: Final = int(DssFlag.MAPPING)
_SLACK_NS: Final = 100_000_000
"""What may lie between the clock of who acted and the clock of a capture, and its buffers."""
CAUSED: Final = frozenset(
    {
        "ack_hole_altered",
        "acked_by_middlebox",
        "add_addr_removed",
        "hole_blocked",
        "mp_join_dropped",
        "mp_join_reset",
        "mptcp_data_dropped",
        "mptcp_option_removed_midstream",
        "path_blackholed",
        "reset_injected",
        "retransmission_altered",
    }
)
"""What a path that this program takes away itself can look like."""

ACTS: Final = {
    Upset.INTERFACE_DOWN: "took the client's first interface down",
    Upset.ADDRESS_REMOVED: "removed the client's first address",
    Upset.PATH_LOST: "made the first path lose every packet",
}


class Progress(NamedTuple):
    """How the data of one transfer came in at their receiver."""

    pause_ns: int
    """The longest gap that a handover could have made."""
    resumed_ns: int
    """When it ended; 0 when no data came any more."""
    first_path_bytes: int
    """Payload that came by the first subflow from the handover on."""
    other_paths_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverSeen:
    """What was done to a transfer's first path, and what the captures show of it."""

    upset: Upset
    began_ns: int
    """By the client machine's clock; 0 when the transfer was over before."""
    ended_ns: int
    problem: str = ""
    progress: Progress | None = None
    """None where no capture shows the transfer."""

    def words(self, *, over_mptcp: bool) -> str:
        """Say in one line what it came to."""
        if not self.began_ns:
            return "the transfer was over before its path could be taken away"
        if self.problem:
            return f"the path could not be taken away as planned: {self.problem}"
        if self.progress is None:
            return "the captures do not show how the transfer went on"
        paused = f"the transfer paused {self.progress.pause_ns / 1e9:.1f} s"
        if over_mptcp and self.progress.other_paths_bytes:
            return f"{paused}, then went on over the other path"
        if self.progress.resumed_ns:
            return f"{paused}, until its path was back"
        return f"{paused} and never went on"

    @property
    def away_s(self) -> float:
        """How long the path was away, seconds."""
        return (self.ended_ns - self.began_ns) / 1e9


def progress(
    connections: Sequence[PairedConnection], *, direction: Direction, began_ns: int, ended_ns: int
) -> Progress | None:
    """Measure the transfer that a handover met.

    Args:
        connections: Those of the exchange; the one that carried most is the transfer.
        direction: Which way its payload went.
        began_ns: When the path went away, by the client machine's clock.
        ended_ns: When it was back.

    Returns:
        None if no capture at the receiver holds any of it.
    """
    found = [_arrivals(connection, direction) for connection in connections]
    arrivals = max(found, key=lambda a: sum(size for _, _, size, _ in a), default=[])
    if not arrivals:
        return None
    if direction is Direction.C2S:  # the receiver's clock is the server's
        clock = next((c.clock for c in connections if c.clock is not None), None)
        ahead_ns = 0 if clock is None else clock.middle_ns
        began_ns, ended_ns = began_ns + ahead_ns, ended_ns + ahead_ns
    pause_ns, resumed_ns = _longest_pause(arrivals, from_ns=began_ns - _SLACK_NS, end_ns=ended_ns)
    after = [(size, first) for at_ns, _, size, first in arrivals if at_ns >= began_ns]
    return Progress(
        pause_ns=pause_ns,
        resumed_ns=resumed_ns,
        first_path_bytes=sum(size for size, first in after if first),
        other_paths_bytes=sum(size for size, first in after if not first),
    )


def excused(finding: Finding, seen: HandoverSeen, last_evidence_ns: int | None) -> Finding:
    """Return a finding, or that nothing can be said where this program's own act explains it.

    Args:
        finding: On a connection of the exchange.
        seen: The handover.
        last_evidence_ns: Time of the last frame it rests on; none where it has none.
    """
    by_us = (
        finding.state is State.SEEN
        and finding.behaviour in CAUSED
        and seen.began_ns
        and (last_evidence_ns is None or last_evidence_ns >= seen.began_ns - _SLACK_NS)
    )
    if not by_us:
        return finding
    because = f"this check itself {ACTS[seen.upset]} in mid-transfer; without that: not looked for"
    return replace(
        finding, state=State.NOT_MEASURED, because=because, evidence=(), measures={}
    )


class _Arrival(NamedTuple):
    """New data at the receiver, as far as one segment shows."""

    time_ns: int
    place: int
    """In the stream of the connection, from its first byte captured."""
    size: int
    first: bool
    """By the first subflow."""


def _arrivals(connection: PairedConnection, direction: Direction) -> list[_Arrival]:
    """Return all payload of a connection as it reached its receiver, in the order of time."""
    found: list[_Arrival] = []
    for subflow in connection.subflows:
        lane = subflow.lanes.get(direction)
        half = None if lane is None else lane.received
        if half is not None:
            found += _placed(half, first=subflow.role is Role.INITIAL)
    if not found:
        return []
    # data sequence numbers are compared modulo 2^32 (RFC 8684, section 3.3.1 allows 32 bits)
    origin = min(found).place
    half_way = 1 << 31
    return sorted(
        a._replace(place=((a.place - origin + half_way) & 0xFFFF_FFFF) - half_way) for a in found
    )


def _placed(half: Half, *, first: bool) -> Iterator[_Arrival]:
    """Give the segments of one subflow with their places in the connection's stream."""
    packets = half.capture.packets
    carriers = packets.payload_bytes[half.rows] > 0
    rows, starts = half.rows[carriers], half.starts[carriers]
    sizes = packets.payload_bytes[rows].astype(np.int64)
    places = _data_places(half, starts)
    times = packets.time_ns[rows]
    for at_ns, place, size in zip(times.tolist(), places.tolist(), sizes.tolist(), strict=True):
        yield _Arrival(at_ns, place, size, first)


def _data_places(half: Half, starts: Column) -> Column:
    """Return the data sequence number of each segment's first byte; of plain TCP its own place."""
    dss = half.capture.packets.dss
    own = np.isin(dss.packet, half.rows) & ((dss.parts & _MAPPING) != 0) & (dss.ssn > 0)
    maps = np.flatnonzero(own)
    if not len(maps):
        return starts
    order = np.argsort(dss.ssn[maps], kind="stable")
    maps = maps[order]
    begins = dss.ssn[maps].astype(np.int64) - 1
    at = np.clip(np.searchsorted(begins, starts, side="right") - 1, 0, None)
    numbers = (dss.dsn[maps[at]] & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    return np.asarray(numbers + starts - begins[at])


def _longest_pause(
    arrivals: Sequence[_Arrival], *, from_ns: int, end_ns: int
) -> tuple[int, int]:
    """Return the longest gap in the progress of data in order that ends after a moment, and its end.

    Args:
        arrivals: In the order of time.
        from_ns: When the path went.
        end_ns: When it was back; where nothing came after ``from_ns`` the gap lasts to there.
    """
    reached = min(a.place for a in arrivals)
    waiting: list[tuple[int, int]] = []
    last_ns = arrivals[0].time_ns
    longest, resumed_ns = 0, 0
    for at_ns, place, size, _ in arrivals:
        heapq.heappush(waiting, (place, place + size))
        before = reached
        while waiting and waiting[0][0] <= reached:
            reached = max(reached, heapq.heappop(waiting)[1])
        if reached > before:
            if at_ns >= from_ns and at_ns - last_ns > longest:
                longest, resumed_ns = at_ns - last_ns, at_ns
            last_ns = at_ns
    if not resumed_ns and last_ns < end_ns:
        return end_ns - last_ns, 0
    return longest, resumed_ns
