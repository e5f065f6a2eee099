"""What became of a transfer whose first path went away: how long it paused, and where it went on.

The pause is the longest gap in what the receiver could hand to its application: data in order,
which its own acknowledgements tell of (the DATA_ACK, over plain TCP the acknowledgement number).
Bytes that come by the other path while a hole is open are no progress.  What arrives just when an
interface comes up is not in that machine's capture, so arriving segments cannot tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.packets import DssFlag, Flag
from mptcp_check.analysis.flows.connections import Role
from mptcp_check.analysis.pairing.paired import BACK, Half, PairedConnection
from mptcp_check.model import Direction, Finding, State, Upset

_DATA_ACK: Final = int(DssFlag.DATA_ACK)
_HALF: Final = 1 << 31
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
    moved = max(
        ((_moved(connection, direction), connection) for connection in connections),
        key=lambda pair: sum(size for _, size, _ in pair[0]),
        default=None,
    )
    if moved is None or not moved[0]:
        return None
    arrivals, connection = moved
    if direction is Direction.C2S:  # the receiver's clock is the server's
        clock = next((c.clock for c in connections if c.clock is not None), None)
        ahead_ns = 0 if clock is None else clock.middle_ns
        began_ns, ended_ns = began_ns + ahead_ns, ended_ns + ahead_ns
    pause_ns, resumed_ns = longest_pause(
        _confirmed(connection, BACK[direction]), from_ns=began_ns - _SLACK_NS, end_ns=ended_ns
    )
    after = [(size, first) for at_ns, size, first in arrivals if at_ns >= began_ns]
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
    return replace(finding, state=State.NOT_MEASURED, because=because, evidence=(), measures={})


def longest_pause(
    confirmed: Sequence[tuple[int, int]], *, from_ns: int, end_ns: int
) -> tuple[int, int]:
    """Return the longest time without progress that ends after a moment, and when it ended; PURE.

    Args:
        confirmed: Times, and up to which place the receiver had everything by then; by time.
        from_ns: When the path went.
        end_ns: When it was back; where nothing was confirmed any more the pause lasts to there.

    Returns:
        Nanoseconds, and a time that is 0 when nothing was confirmed any more.
    """
    reached, last_ns = (confirmed[0][1], confirmed[0][0]) if confirmed else (0, from_ns)
    longest, resumed_ns = 0, 0
    for at_ns, place in confirmed:
        if place <= reached:
            continue
        if at_ns >= from_ns and at_ns - last_ns > longest:
            longest, resumed_ns = at_ns - last_ns, at_ns
        reached, last_ns = place, at_ns
    return (longest, resumed_ns) if resumed_ns else (max(0, end_ns - last_ns), 0)


class _Arrival(NamedTuple):
    """One segment with payload at the receiver."""

    time_ns: int
    size: int
    first: bool
    """By the first subflow."""


def _moved(connection: PairedConnection, direction: Direction) -> list[_Arrival]:
    """Return the segments with payload that reached their receiver."""
    found = []
    for subflow in connection.subflows:
        half = subflow.lanes[direction].received if direction in subflow.lanes else None
        if half is None:
            continue
        sizes = half.capture.packets.payload_bytes[half.rows].astype(np.int64)
        times = half.capture.packets.time_ns[half.rows]
        first = subflow.role is Role.INITIAL
        for at_ns, size in zip(times.tolist(), sizes.tolist(), strict=True):
            if size:
                found.append(_Arrival(at_ns, size, first))
    return found


def _confirmed(connection: PairedConnection, back: Direction) -> list[tuple[int, int]]:
    """Return up to where the receiver had everything, by its own acknowledgements, by time."""
    halves = [
        half
        for subflow in connection.subflows
        if back in subflow.lanes and (half := subflow.lanes[back].sent) is not None
    ]
    found = [one for half in halves for one in _data_acks(half)]
    if not found:
        found = [one for half in halves for one in _tcp_acks(half)]
    if not found:
        return []
    # only 32 bits may be there (RFC 8684, section 3.3.1): places are taken from the first one
    origin = min(found)[1]
    return sorted(
        (at_ns, ((number - origin + _HALF) & (2 * _HALF - 1)) - _HALF) for at_ns, number in found
    )


def _data_acks(half: Half) -> Iterator[tuple[int, int]]:
    packets = half.capture.packets
    dss = packets.dss
    own = np.isin(dss.packet, half.rows) & ((dss.parts & _DATA_ACK) != 0)
    numbers = (dss.data_ack[own] & np.uint64(2 * _HALF - 1)).astype(np.int64)
    yield from zip(packets.time_ns[dss.packet[own]].tolist(), numbers.tolist(), strict=True)


def _tcp_acks(half: Half) -> Iterator[tuple[int, int]]:
    packets = half.capture.packets
    rows = half.rows[(packets.flags[half.rows] & (Flag.ACK | Flag.RST)) == Flag.ACK]
    numbers = packets.ack[rows].astype(np.int64)
    yield from zip(packets.time_ns[rows].tolist(), numbers.tolist(), strict=True)
