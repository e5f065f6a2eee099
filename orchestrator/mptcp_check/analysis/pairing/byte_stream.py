"""The bytes of one direction as one capture holds them: a map from places in the stream to bytes.

Segments are no unit of comparison: a path may split and merge them, and a lost one arrives as
another copy.  Only what was captured is stored, so a hostile sequence number costs nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.halves import Half

Bytes = npt.NDArray[np.uint8]

_MAX_COPIES: Final = 64
"""Copies of one range looked at; more than TCP sends before it gives up (RFC 9293, 3.8.3)."""
_VOTING_SEGMENTS: Final = 64
_MIN_VOTE_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Contiguous captured bytes of one segment."""

    start: int
    """Place of the first byte in the stream."""
    row: int
    data: Bytes

    @property
    def end(self) -> int:
        """Place after the last byte."""
        return self.start + len(self.data)


class ByteStream:
    """What one capture holds of one direction, ready to be asked for a range.

    Args:
        half: The segments; those without captured payload are left out.
        shift: Added to every place, to make two streams without a common SYN comparable.
    """

    def __init__(self, half: Half, *, shift: int = 0) -> None:
        packets = half.capture.packets
        carriers = packets.captured_bytes[half.rows] > 0
        order = np.argsort(half.starts[carriers], kind="stable")
        self._half = half
        self._rows = half.rows[carriers][order]
        self._starts = half.starts[carriers][order] + shift
        self._ends = self._starts + packets.captured_bytes[self._rows]
        self._reach = np.maximum.accumulate(self._ends) if len(order) else self._ends
        self._buffer = np.frombuffer(half.capture.buffer, np.uint8)

    def __len__(self) -> int:
        """Return the count of segments with captured payload."""
        return len(self._rows)

    @property
    def end(self) -> int:
        """Place after the last captured byte; 0 of an empty stream."""
        return int(self._reach[-1]) if len(self) else 0

    def pieces(self) -> Iterator[Piece]:
        """Yield every captured segment, retransmissions too, in the order of the stream."""
        return (self._piece(index) for index in range(len(self)))

    def covering(self, start: int, end: int) -> Iterator[Piece]:
        """Yield bytes of the range once each, in order; what was not captured is left out."""
        index = int(np.searchsorted(self._reach, start, side="right"))
        place = start
        while index < len(self) and self._starts[index] < end and place < end:
            piece = self._piece(index)
            index += 1
            low, high = max(place, piece.start), min(end, piece.end)
            if low < high:
                data = piece.data[low - piece.start : high - piece.start]
                yield Piece(start=low, row=piece.row, data=data)
                place = high

    def holds(self, start: int, data: Bytes) -> bool:
        """Say whether some captured segment has exactly these bytes at this place."""
        last = int(np.searchsorted(self._starts, start, side="right"))
        for index in range(last - 1, max(-1, last - 1 - _MAX_COPIES), -1):
            piece = self._piece(index)
            if piece.end >= start + len(data):
                offset = start - piece.start
                if np.array_equal(piece.data[offset : offset + len(data)], data):
                    return True
        return False

    def read(self, start: int, end: int) -> Bytes | None:
        """Return the bytes of a range, none if any was not captured."""
        parts = list(self.covering(start, end))
        whole = sum(len(part.data) for part in parts) == end - start
        return np.concatenate([part.data for part in parts]) if whole and parts else None

    def finish(self) -> int | None:
        """Return the place of the FIN: the stream's length, none if no FIN was captured."""
        packets = self._half.capture.packets
        rows = self._half.rows
        fins = np.flatnonzero(packets.flags[rows] & Flag.FIN)
        if not len(fins):
            return None
        last = fins[0]
        return int(self._half.starts[last]) + int(packets.payload_bytes[rows[last]])

    def _piece(self, index: int) -> Piece:
        row = int(self._rows[index])
        place = int(self._half.capture.packets.payload_offset[row])
        length = int(self._ends[index] - self._starts[index])
        data = self._buffer[place : place + length]
        return Piece(start=int(self._starts[index]), row=row, data=data)


def shift_between(sent: Half, received: Half) -> int | None:
    """Return what to add to the receiver's places to make them the sender's.

    0 where both ends captured a SYN of this direction.  Otherwise segments with equal payload vote,
    each whose bytes occur only once at both ends; a capture that began late is read that way.
    """
    if sent.isn is not None and received.isn is not None:
        return 0
    here = _places_by_payload(sent)
    votes = Counter(
        here[data] - place for data, place in _places_by_payload(received).items() if data in here
    )
    winner = votes.most_common(1)
    return winner[0][0] if winner else None


def _places_by_payload(half: Half) -> dict[bytes, int]:
    seen: dict[bytes, int] = {}
    repeated: set[bytes] = set()
    stream = ByteStream(half)
    for _, piece in zip(range(_VOTING_SEGMENTS), stream.pieces(), strict=False):
        data = piece.data.tobytes()
        if len(data) < _MIN_VOTE_BYTES:
            continue
        if seen.setdefault(data, piece.start) != piece.start:
            repeated.add(data)
    return {data: place for data, place in seen.items() if data not in repeated}
