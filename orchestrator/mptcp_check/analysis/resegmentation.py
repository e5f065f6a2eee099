"""Find segments that were cut otherwise on the way, and leave out what hosts do themselves.

A capture with segmentation offload holds segments that no wire has seen: the card cuts them after
the capture (TSO, GSO), or the driver joins them before it (GRO, LRO).  They are larger than the
maximum segment size that the ends agreed on, and say nothing about the path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.option_changes import walk
from mptcp_check.analysis.pairing.byte_map import ByteMap, with_several
from mptcp_check.analysis.pairing.crossed_payload import crossed_payload
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted
from mptcp_check.model import Finding

_SMALLEST_OFFLOAD_BYTES: Final = 1460
"""Without a captured SYN: an Ethernet segment's payload is never more on IPv4."""
_MSS_KIND: Final = 2
_MSS_OPTION_BYTES: Final = 4
_NOTHING: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recut:
    """Segments of one lane that arrived in other pieces."""

    subflow: PairedSubflow
    lane: Lane
    split: Column
    """Rows of the sender's capture, each of which arrived in several segments."""
    merged: Column
    """Rows of the receiver's capture, each of which was sent in several segments."""
    offloaded: int
    """Segments left out as an end's own doing."""
    compared: int
    """Segments with payload that both captures hold."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """The lanes on which segments were cut otherwise in one of the two ways."""

    lanes: tuple[Recut, ...]
    """At least one."""
    compared_count: int
    """Segments with payload that both captures hold, on all lanes of the connection."""


def judge(
    verdict: Verdict, connection: PairedConnection, shows: Callable[[Recut], Column]
) -> Finding | Hits:
    """Say that segments arrived as they were cut, or which did not.

    Args:
        verdict: The detector's voice.
        connection: At both ends, or at one.
        shows: Which segments of a lane the detector looks for.

    Returns:
        A finding where there is nothing to see: ``NOT_SEEN`` with ``segments_compared``.
    """
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    found = recut(connection)
    compared = sum(one.compared for one in found)
    if not compared:
        return verdict.not_measured("no segment with payload is in both captures")
    hits = tuple(one for one in found if len(shows(one)))
    if hits:
        return Hits(lanes=hits, compared_count=compared)
    return verdict.not_seen(
        f"{counted(compared, 'segment')} with payload compared",
        measures={"segments_compared": compared},
    )


def recut(connection: PairedConnection) -> list[Recut]:
    """Return the lanes of a connection with payload at both ends."""
    found = []
    for subflow in connection.subflows:
        for lane in subflow.lanes.values():
            sent, received = lane.sent, lane.received
            if sent is None or received is None:
                continue
            if not lane.recut:
                found.append(_whole(subflow, lane))
                continue
            largest = _largest_bytes(subflow, lane)
            pieces = lane.byte_map
            split, big_sent = _within(sent, _cut(sent, pieces.sent, pieces), largest)
            merged, big_received = _within(
                received, _cut(received, pieces.received, pieces), largest
            )
            found.append(
                Recut(
                    subflow=subflow,
                    lane=lane,
                    split=split,
                    merged=merged,
                    offloaded=big_sent + big_received,
                    compared=len(np.unique(lane.byte_map.sent)),
                )
            )
    return found


def _whole(subflow: PairedSubflow, lane: Lane) -> Recut:
    """Return what is to be said of a lane whose segments arrived as they were, or not at all."""
    return Recut(
        subflow=subflow,
        lane=lane,
        split=_NOTHING,
        merged=_NOTHING,
        offloaded=0,
        compared=lane.table.once(crossed_payload).segments[lane.number]
        if lane.table is not None
        else 0,
    )


def _cut(half: Half, rows: Column, pieces: ByteMap) -> Column:
    """Return the rows of one end that several segments of the other end make together.

    A second whole copy is a duplicate or a retransmission, and cuts nothing.  Two pieces of one
    and the same segment lie around a place where the stream was resized.

    Args:
        half: That end.
        rows: Its row of each piece.
        pieces: What both ends share.
    """
    others = pieces.received if rows is pieces.sent else pieces.sent
    lengths = half.capture.packets.payload_bytes[rows].astype(np.int64)
    part = (pieces.end - pieces.start) < lengths
    whole = np.isin(rows, rows[~part])
    kept = part & ~whole
    places = with_several(rows[kept], pieces.start[kept])
    segments = with_several(rows[kept], others[kept])
    return np.asarray(places[np.isin(places, segments)])


def _within(half: Half, rows: Column, largest_bytes: int) -> tuple[Column, int]:
    """Return the rows that fit a wire, and how many do not."""
    fits = half.capture.packets.payload_bytes[rows] <= largest_bytes
    return np.asarray(rows[fits]), int((~fits).sum())


def _largest_bytes(subflow: PairedSubflow, lane: Lane) -> int:
    """Return the most payload that a wire segment of a lane has: what its receiver announced."""
    back = subflow.lanes[next(d for d in subflow.lanes if d is not lane.direction)]
    announced = [_announced(half) for half in (back.sent, back.received) if half is not None]
    known = [size for size in announced if size is not None]
    return max(known) if known else _SMALLEST_OFFLOAD_BYTES


def _announced(half: Half) -> int | None:
    """Return the maximum segment size in a half's SYN; none without SYN or option."""
    packets = half.capture.packets
    syns = half.rows[(packets.flags[half.rows] & Flag.SYN) != 0]
    for row in syns[:1].tolist():
        for octets in walk(packets.option_bytes(row)):
            if octets[0] == _MSS_KIND and len(octets) == _MSS_OPTION_BYTES:
                return int.from_bytes(octets[2:], "big")
    return None
