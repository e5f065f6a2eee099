"""Hold what one end received against what the other sent, byte range by byte range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.tcp_checksum import is_valid
from mptcp_check.analysis.pairing.byte_stream import Bytes, ByteStream, Piece, shift_between
from mptcp_check.analysis.pairing.crossed_payload import (
    crossed_payload,
    missing_bytes,
    payload_bytes,
)
from mptcp_check.analysis.pairing.paired import Half, Lane

_MAX_DRIFT_BYTES: Final = 128
"""How far a gateway may have moved the rest of the stream; a longer FTP command adds tens."""
_TAIL_BYTES: Final = 256
_MIN_TAIL_BYTES: Final = 8
_REFERENCE_SEGMENTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """The first byte of a received segment that differs from the one that was sent."""

    offset: int
    """Place in the stream, from 0."""
    sent: int
    """Row of the sender's capture that holds the byte."""
    received: int
    """Row of the receiver's capture that holds it."""
    segment_offset: int
    """Place in the payload of the received segment, from 0."""
    before: int
    """The byte as it was sent."""
    after: int
    """The byte as it was received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the two captures say about the bytes of one lane."""

    compared_bytes: int
    """Received bytes that the sender's capture holds too; further copies count again."""
    cut_bytes: int
    """Received bytes that a snap length cut at one of the ends."""
    unsent_bytes: int
    """Received bytes that the sender's capture does not hold at all: lost by it, or injected."""
    altered_bytes: int
    """Distinct places in the stream at which the bytes differ."""
    altered_segments_count: int
    damaged_segments_count: int
    """Received segments with other bytes and a wrong TCP checksum: the receiver drops them."""
    first: Alteration | None
    drift_bytes: int
    """How far the rest of the stream is moved after the first difference; 0 if it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """One received segment whose bytes are not those that were sent."""

    first: Alteration
    places: npt.NDArray[np.int64]


def compare(lane: Lane) -> Comparison | None:
    """Hold every received segment against the sender's bytes.

    Equal bytes in any copy that was sent count as equal.  A received segment whose bytes differ
    and whose TCP checksum is wrong, while its neighbours' are right, was damaged and will be
    dropped by the receiver: it is no alteration that reaches anybody.

    Returns:
        None where the two ends cannot be laid beside each other: a half is missing, or no SYN was
        captured at one end and no payload tells where the stream stands.
    """
    if lane.sent is None or lane.received is None:
        return None
    if (whole := _whole(lane, lane.received)) is not None:
        return whole
    shift = shift_between(lane.sent, lane.received)
    if shift is None:
        return None
    sent, received = ByteStream(lane.sent), ByteStream(lane.received, shift=shift)
    differences: list[_Difference] = []
    equal: list[int] = []
    compared = missing = 0
    for piece in received.pieces():
        parts = list(sent.covering(piece.start, piece.end))
        known = sum(len(part.data) for part in parts)
        compared += known
        missing += len(piece.data) - known
        difference = _difference(sent, piece, parts)
        if difference is None:
            equal.append(piece.row)
        else:
            differences.append(difference)
    real = _without_damage(lane.received, differences, equal)
    first = min((d.first for d in real), key=lambda f: f.offset, default=None)
    sent_cut = _cut_bytes(lane.sent)
    return Comparison(
        compared_bytes=compared,
        # a byte that only the sender's snap length cut was received, and nobody knows what it was
        cut_bytes=_cut_bytes(lane.received) + min(missing, sent_cut),
        unsent_bytes=max(0, missing - sent_cut),
        altered_bytes=_distinct(real),
        altered_segments_count=len(real),
        damaged_segments_count=len(differences) - len(real),
        first=first,
        drift_bytes=0 if first is None else _drift(sent, received, first.offset),
    )


def _whole(lane: Lane, received: Half) -> Comparison | None:
    """Return the comparison where every segment with payload crossed with the bytes it had.

    Returns:
        None where any did not, or a snap length cut it: then ranges have to be compared.
    """
    if lane.sent is None or lane.table is None or lane.shift is None:
        return None
    crossed = lane.table.once(crossed_payload)
    crossed_bytes = crossed.captured_bytes[lane.number]
    if crossed_bytes != received.table.once(payload_bytes)[received.number]:
        return None
    if crossed.altered[lane.number] or lane.resized or _cut_bytes(lane.sent):
        return None
    return Comparison(
        compared_bytes=crossed_bytes,
        cut_bytes=0,
        unsent_bytes=0,
        altered_bytes=0,
        altered_segments_count=0,
        damaged_segments_count=0,
        first=None,
        drift_bytes=0,
    )


def _difference(sent: ByteStream, piece: Piece, parts: Sequence[Piece]) -> _Difference | None:
    """Return where a received segment differs from every copy that was sent."""
    first: Alteration | None = None
    places: list[npt.NDArray[np.int64]] = []
    for part in parts:
        offset = part.start - piece.start
        here = piece.data[offset : offset + len(part.data)]
        if np.array_equal(here, part.data) or sent.holds(part.start, here):
            continue
        unequal = np.flatnonzero(here != part.data)
        places.append(unequal + part.start)
        at = int(unequal[0])
        first = first or Alteration(
            offset=part.start + at,
            sent=part.row,
            received=piece.row,
            segment_offset=offset + at,
            before=int(part.data[at]),
            after=int(here[at]),
        )
    return None if first is None else _Difference(first=first, places=np.concatenate(places))


def _without_damage(
    received: Half, differences: Sequence[_Difference], equal: Sequence[int]
) -> list[_Difference]:
    """Leave out segments that TCP's own checksum catches, where the capture shows true ones."""
    neighbours = [is_valid(received.capture, row) for row in equal[:_REFERENCE_SEGMENTS]]
    if not neighbours or not all(neighbours):
        return list(differences)
    return [d for d in differences if is_valid(received.capture, d.first.received) is not False]


def _distinct(differences: Sequence[_Difference]) -> int:
    if not differences:
        return 0
    return len(np.unique(np.concatenate([d.places for d in differences])))


def _cut_bytes(half: Half) -> int:
    return half.table.once(missing_bytes)[half.number]


def _drift(sent: ByteStream, received: ByteStream, first: int) -> int:
    """Return how far the received stream lies behind the sent one after its first difference.

    A gateway that changes a length moves all that follows: the tail of the stream is found again
    at another place, and the ends differ.  A change that keeps the length leaves the tail where it
    was.  The tail must be out of place and must fit at just one distance: a stream of equal bytes
    fits everywhere and says nothing.
    """
    ends = sent.finish(), received.finish()
    if ends[0] is not None and ends[1] is not None:
        return ends[1] - ends[0]
    if received.end > sent.end:
        return received.end - sent.end
    end = received.end
    tail = _tail(received, max(first + 1, end - _TAIL_BYTES), end)
    if tail is None or _fits(sent, tail, end, 0):
        return 0
    fitting = [
        distance
        for distance in range(-_MAX_DRIFT_BYTES, _MAX_DRIFT_BYTES + 1)
        if _fits(sent, tail, end, distance)
    ]
    return fitting[0] if len(fitting) == 1 else 0


def _tail(received: ByteStream, start: int, end: int) -> Bytes | None:
    """Return the last captured bytes, fewer than asked for where some are missing."""
    while end - start >= _MIN_TAIL_BYTES:
        data = received.read(start, end)
        if data is not None:
            return data
        start += (end - start + 1) // 2
    return None


def _fits(sent: ByteStream, tail: Bytes, end: int, distance: int) -> bool:
    data = sent.read(end - len(tail) - distance, end - distance)
    return data is not None and np.array_equal(data, tail)
