"""A middlebox answers a retransmission with other bytes than were sent again."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    direction_of,
    surely_one,
)
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "retransmission_altered"

_LEAST_PLACES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Altered:
    """A retransmission that arrived with other bytes."""

    subflow: PairedSubflow
    lane: Lane
    sent: int
    received: int
    first_arrived: bool
    """Whether the first copy of the bytes arrived, and as it was sent."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether bytes that were sent again arrived with another content, the first time not.

    Boxes that keep copies of what passed answer a retransmission with the copy (Honda et al., IMC
    2011, section 4.4).  As a sender repeats the same bytes, only another content shows it; where
    every copy is changed alike, it is `payload_altered`.

    Where the first copy of altered bytes is not at the receiver, one such segment may be
    `payload_altered`; several, on a lane whose first copies all arrived as sent, are not.

    Limits: a box that answers with the right bytes is not seen; the probe suite sends other bytes
    on purpose.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the retransmission at both ends and ``retransmissions_altered``;
        ``NOT_SEEN`` with ``retransmissions_compared``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = connection.comparable_lanes
    if not lanes:
        return verdict.not_measured(TWO_CONNECTIONS)
    compared, hits = 0, list[_Altered]()
    for subflow, lane in lanes:
        count, altered = _altered(subflow, lane)
        compared += count
        hits += altered
    if hits:
        first, lane = hits[0], hits[0].lane
        return verdict.seen(
            f"{counted(len(hits), 'retransmission')} reached the {receiver(lane)} with other bytes"
            f" than the {sender(lane)} sent again",
            subflow=first.subflow,
            direction=direction_of([hit.lane for hit in hits]),
            evidence=frames((lane.sent, first.sent), (lane.received, first.received)),
            measures={"retransmissions_altered": len(hits)},
        )
    if not compared:
        return verdict.not_measured("no retransmission is in both captures")
    return verdict.not_seen(
        f"{counted(compared, 'retransmission')} arrived as sent",
        measures={"retransmissions_compared": compared},
    )


def _altered(subflow: PairedSubflow, lane: Lane) -> tuple[int, list[_Altered]]:
    """Return how many retransmissions of a lane were compared, and those that accuse."""
    sent, received = lane.sent, lane.received
    if sent is None or received is None:
        return 0, []
    again = sent.table.once(_again).get(sent.number)
    if again is None:
        return 0, []
    crossed = {
        int(a): int(b) for a, b in zip(*lane.crossing.at_least(surely_one(lane)), strict=True)
    }
    changed = [
        a for a, b in crossed.items() if a in again and _bytes(sent, a) != _bytes(received, b)
    ]
    compared = len(again & crossed.keys())
    if not changed:
        return compared, []
    fate = _first_copies(sent, received, crossed, again)
    place = {int(row): int(start) for row, start in zip(sent.rows, sent.starts, strict=True)}
    hits = [
        _Altered(subflow=subflow, lane=lane, sent=row, received=crossed[row], first_arrived=here)
        for row in changed
        for here in [fate.get(place[row]) is False]
    ]
    firsts_altered = any(fate.values())
    several = len({place[row] for row in changed}) >= _LEAST_PLACES and not firsts_altered
    return compared, [hit for hit in hits if hit.first_arrived or several]


def _again(table: HalfTable) -> Mapping[int, set[int]]:
    """Return by half the rows of segments whose bytes were all sent before."""
    carriers = np.flatnonzero(table.payload_bytes > 0)
    if not len(carriers):
        return {}
    half_of, ends = table.half_of[carriers], table.ends[carriers]
    # all halves on one line: what one has reached lies below all places of the next
    line = half_of * (int(ends.max()) - int(ends.min()) + 1)
    before = np.maximum.accumulate(ends + line)[:-1] - line[1:]
    again = 1 + np.flatnonzero((half_of[1:] == half_of[:-1]) & (ends[1:] <= before))
    found: dict[int, set[int]] = defaultdict(set)
    rows = table.rows[carriers[again]].tolist()
    for half, row in zip(half_of[again].tolist(), rows, strict=True):
        found[half].add(row)
    return found


def _first_copies(
    sent: Half, received: Half, crossed: dict[int, int], again: set[int]
) -> dict[int, bool]:
    """Say by place of the stream, of first copies that arrived, whether they were altered."""
    return {
        int(start): _bytes(sent, int(row)) != _bytes(received, crossed[int(row)])
        for row, start, end in zip(sent.rows, sent.starts, sent.ends, strict=True)
        if start < end and int(row) in crossed and int(row) not in again
    }


def _bytes(half: Half, row: int) -> bytes:
    packets = half.capture.packets
    whole = int(packets.captured_bytes[row]) == int(packets.payload_bytes[row])
    return packets.payload(row) if whole else b""
