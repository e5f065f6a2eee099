"""A middlebox answers a retransmission with other bytes than were sent again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    comparable_lanes,
    direction_of,
    surely_one,
)
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "retransmission_altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Altered:
    """A retransmission that arrived with other bytes."""

    subflow: PairedSubflow
    lane: Lane
    sent: int
    received: int
    first_altered: bool
    """Whether the first copy of the bytes was changed as well."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether bytes that were sent again arrived with another content, the first time not.

    Boxes that keep copies of what passed answer a retransmission with the copy (Honda et al., IMC
    2011, section 4.4).  As a sender repeats the same bytes, only another content shows it; where
    every copy is changed alike, it is `payload_altered`.

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
    lanes = comparable_lanes(connection)
    if not lanes:
        return verdict.not_measured(TWO_CONNECTIONS)
    compared, hits = 0, []
    for subflow, lane in lanes:
        if lane.sent is None or lane.received is None:
            continue
        for sent, received in _again(lane, lane.sent):
            compared += 1
            if _bytes(lane.sent, sent) != _bytes(lane.received, received):
                hits.append(
                    _Altered(
                        subflow=subflow,
                        lane=lane,
                        sent=sent,
                        received=received,
                        first_altered=_first_altered(lane, lane.sent, lane.received, sent),
                    )
                )
    hits = [hit for hit in hits if not hit.first_altered]
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


def _again(lane: Lane, sent: Half) -> Iterator[tuple[int, int]]:
    """Yield crossed segments whose bytes were sent before, as (sent, received) rows."""
    packets = sent.capture.packets
    carries = packets.payload_bytes[sent.rows] > 0
    reach = np.maximum.accumulate(np.where(carries, sent.ends, np.iinfo(np.int64).min))
    before = np.concatenate(([np.iinfo(np.int64).min], reach[:-1]))
    again = set(sent.rows[carries & (sent.ends <= before)].tolist())
    if again:
        for a, b in zip(*lane.crossing.at_least(surely_one(lane)), strict=True):
            if int(a) in again:
                yield int(a), int(b)


def _bytes(half: Half, row: int) -> bytes:
    packets = half.capture.packets
    whole = int(packets.captured_bytes[row]) == int(packets.payload_bytes[row])
    return packets.payload(row) if whole else b""


def _first_altered(lane: Lane, sent: Half, received: Half, again: int) -> bool:
    """Say whether the first crossed copy of the same bytes arrived changed as well."""
    places = np.flatnonzero(sent.rows == again)
    start, end = int(sent.starts[places[0]]), int(sent.ends[places[0]])
    copies = set(sent.rows[(sent.starts == start) & (sent.ends == end)].tolist()) - {again}
    for a, b in zip(lane.crossing.sent.tolist(), lane.crossing.received.tolist(), strict=True):
        if a in copies:
            return _bytes(sent, a) != _bytes(received, b)
    # the first copy never arrived: what the box does to bytes cannot be told from payload_altered
    return True
