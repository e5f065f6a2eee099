"""A middlebox acknowledges data before the receiver has it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.acknowledgements import acknowledgements
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    direction_of,
)
from mptcp_check.analysis.pairing.lane_crossing import Origin
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.pairing.path_copies import without_copies
from mptcp_check.analysis.verdict import Verdict, counted, frames_of, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "acked_by_middlebox"

_LEAST: Final = 3
"""A single strange ACK may be a duplicate made by the path."""
_SURE: Final = 10
_APPEARED: Final = 1 << Origin.APPEARED
_NOT_BARE: Final = int(Flag.SYN | Flag.FIN | Flag.RST)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Forged:
    """ACKs that one end got and the other never sent, or not for so much."""

    subflow: PairedSubflow
    lane: Lane
    received: Half
    rows: Column
    raised: bool
    """Whether one that the other end sent arrived for more than it was sent for."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether ACKs for new data reached the sender that the receiver did not send so.

    Bare ACKs that the receiver never sent, or its own ones raised to what was promised already.

    Performance enhancing proxies do it (RFC 3135, section 3.1).  Multipath TCP keeps data until
    its Data ACK comes, which such a box cannot make (RFC 8684, section 3.3.2).

    Limits: a connection that ends in the middle is `connection_proxied`; duplicates that a path
    makes of an ACK are no acknowledgements of its own.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with some of the ACKs and ``acks_forged``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = connection.comparable_lanes
    if not lanes:
        return verdict.not_measured(TWO_CONNECTIONS)
    raised = {
        id(one.lane): np.asarray(one.rows.received[one.raised])
        for one in acknowledgements(connection)
        if len(one.raised)
    }
    hits = [
        found
        for subflow, lane in lanes
        if lane.received is not None
        for found in [_on_lane(subflow, lane, lane.received, raised.get(id(lane)))]
        if found.raised or len(found.rows) >= _LEAST
    ]
    if not hits:
        return verdict.not_seen("the ACKs that arrived were sent by the other end")
    first, lane = hits[0], hits[0].lane
    total = sum(len(one.rows) for one in hits)
    sure = total >= _SURE or any(one.raised for one in hits)
    return verdict.seen(
        f"{counted(total, 'ACK')} for data reached the {receiver(lane)} that the {sender(lane)}"
        " did not send by then",
        subflow=first.subflow,
        direction=direction_of([one.lane for one in hits]),
        evidence=frames_of(first.received, first.rows[:_LEAST].tolist()),
        confidence=Confidence.CONFIRMED if sure else Confidence.LIKELY,
        measures={"acks_forged": total},
    )


def _on_lane(subflow: PairedSubflow, lane: Lane, received: Half, raised: Column | None) -> _Forged:
    rows = _forged(lane, received)
    if raised is not None:
        rows = np.sort(np.concatenate((rows, raised)))
    return _Forged(
        subflow=subflow, lane=lane, received=received, rows=rows, raised=raised is not None
    )


def _forged(lane: Lane, received: Half) -> Column:
    """Return the bare ACKs that appeared and acknowledge something new; duplicates do not."""
    packets, rows = received.capture.packets, received.rows
    if not lane.crossing.origin_bits & _APPEARED:
        return rows[:0]
    bare = (
        ((packets.flags[rows] & Flag.ACK) != 0)
        & ((packets.flags[rows] & _NOT_BARE) == 0)
        & (packets.payload_bytes[rows] == 0)
    )
    appeared = bare & (lane.crossing.origins == Origin.APPEARED)
    acks = packets.ack[rows].astype(np.int64)
    first = int(acks[0]) if len(acks) else 0
    place = (acks - first).astype(np.uint32).astype(np.int32)  # comparable within 2 GiB
    highest = np.maximum.accumulate(place)
    before = np.concatenate(([np.iinfo(np.int32).min], highest[:-1]))
    return without_copies(lane, received, np.asarray(rows[appeared & (place > before)]))
