"""Which received bytes are which sent bytes, whatever the segments were: a lane's byte ranges."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.octet_kernel import compare_octets
from mptcp_check.analysis.pairing.halves import Half
from mptcp_check.analysis.pairing.lane_crossing import NOWHERE, LaneCrossing
from mptcp_check.analysis.pairing.moved_stream import moved_stream

_MOST_COPIES: Final = 64
"""Sent segments looked at for one received one; more copies than TCP sends (RFC 9293, 3.8.3)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ByteMap:
    """Byte ranges that both captures hold, one piece per pair of segments that share bytes."""

    sent: Column
    """int64: row of the sender's capture."""
    received: Column
    """int64: row of the receiver's capture."""
    start: Column
    """int64: first place of the shared range, in the sender's stream."""
    end: Column
    """int64: the place after its last one."""
    shift: Column
    """int64: added to a place in the sender's stream to find it in the receiver's."""
    shifts: tuple[tuple[int, int], ...]
    """(place in the receiver's stream, shift from there on); one entry if nothing was resized."""

    @property
    def resized(self) -> bool:
        """Whether the length of the stream was changed on the way."""
        return len(self.shifts) > 1

    @cached_property
    def split_rows(self) -> Column:
        """int64: rows of the sender's capture whose bytes arrived in several segments."""
        return with_several(self.sent, self.received)

    @cached_property
    def merged_rows(self) -> Column:
        """int64: rows of the receiver's capture whose bytes were sent in several segments."""
        return with_several(self.received, self.sent)


class _Ranges(NamedTuple):
    """Segments with payload: rows, and where they lie."""

    rows: Column
    starts: Column
    ends: Column

    def of(self, chosen: npt.NDArray[np.bool_]) -> "_Ranges":
        return _Ranges(self.rows[chosen], self.starts[chosen], self.ends[chosen])


def byte_map(
    sent: Half | None,
    received: Half | None,
    crossing: LaneCrossing,
    shift: int | None,
    drifts: Sequence[tuple[int, int]],
) -> ByteMap:
    """Lay the payload of the two ends beside each other.

    Args:
        sent: The sender's half.
        received: The receiver's half.
        crossing: Which segments are one.
        shift: Added to the receiver's places to count as the sender does; none if that is unknown.
        drifts: Where the receiver's stream moved, counted as the sender does: (place, distance).
    """
    base = -(shift or 0)
    shifts = [(place + base, base + moved) for place, moved in drifts] or [(0, base)]
    if sent is None or received is None or shift is None:
        nothing = np.empty(0, np.int64)
        return ByteMap(
            sent=nothing, received=nothing, start=nothing, end=nothing, shift=nothing, shifts=()
        )
    found = _pieces(sent, received, crossing, shifts)
    if _same(sent, received, found):
        return found
    moved = moved_stream(sent, received)
    if len(moved) < 2:  # noqa: PLR2004 - one entry is a stream that keeps its length
        return found
    return _pieces(sent, received, None, moved)


def _pieces(
    sent: Half,
    received: Half,
    crossing: LaneCrossing | None,
    shifts: Sequence[tuple[int, int]],
) -> ByteMap:
    """Lay the payload beside each other; without a crossing only by the places."""
    here = _Ranges(sent.rows, sent.starts, sent.ends)
    there = _Ranges(received.rows, received.starts, received.ends)
    carries, carried = here.ends > here.starts, there.ends > there.starts
    parts: list[_Pieces] = []
    moves: list[Column] = []
    if crossing is not None:
        whole, moved = _whole(here, there, crossing)
        parts.append(whole)
        moves.append(moved)
        carried &= crossing.at_receiver == NOWHERE
    loose = _moved_back(there.of(carried), shifts)
    free = carries if crossing is None else carries & (crossing.at_sender == NOWHERE)
    pieces, own = _overlaps(here.of(free), *loose)
    rest = ~np.isin(loose[0].rows, pieces[1])
    more, more_own = _overlaps(here.of(carries), loose[0].of(rest), loose[1][rest])
    parts += [pieces, more]
    moves += [own, more_own]
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.lexsort((joined[2], joined[1]))
    a, b, start, end = (column[order] for column in joined)
    shift = np.concatenate(moves)[order]
    return ByteMap(sent=a, received=b, start=start, end=end, shift=shift, shifts=tuple(shifts))


def _moved_back(received: _Ranges, shifts: Sequence[tuple[int, int]]) -> tuple[_Ranges, Column]:
    """Cut ranges where the shift changes and count as the sender does; also return the shifts."""
    edges = np.array([place for place, _ in shifts])
    distances = np.array([distance for _, distance in shifts])
    rows, starts, ends, own = [], [], [], []
    for index, distance in enumerate(distances.tolist()):
        low = np.iinfo(np.int64).min
        if index:  # what was put in has no place in the sender's stream
            low = edges[index] + max(0, distance - int(distances[index - 1]))
        high = edges[index + 1] if index + 1 < len(edges) else np.iinfo(np.int64).max
        start, end = np.maximum(received.starts, low), np.minimum(received.ends, high)
        inside = start < end
        rows.append(received.rows[inside])
        starts.append(start[inside] - distance)
        ends.append(end[inside] - distance)
        own.append(np.full(int(inside.sum()), distance))
    return (
        _Ranges(np.concatenate(rows), np.concatenate(starts), np.concatenate(ends)),
        np.concatenate(own),
    )


def _same(sent: Half, received: Half, found: ByteMap) -> bool:
    """Say whether all pieces have the same bytes at both ends, as far as they were captured."""
    offsets, lengths = [], []
    for half, rows, starts in (
        (sent, found.sent, found.start),
        (received, found.received, found.start + found.shift),
    ):
        packets, table = half.capture.packets, half.table
        inside = starts - table.starts[table.position_of[rows]]
        offsets.append(packets.payload_offset[rows] + inside)
        lengths.append(packets.captured_bytes[rows].astype(np.int64) - inside)
    counts = np.minimum(np.minimum(*lengths), found.end - found.start)
    same = np.empty(len(counts), np.uint8)
    compare_octets(
        readable(sent.capture.buffer),
        readable(received.capture.buffer),
        offsets[0],
        offsets[1],
        np.maximum(counts, 0),
        same,
    )
    return bool(same.all())


_Pieces = tuple[Column, Column, Column, Column]
"""Sent row, received row, first place and the place after the last, as the sender counts."""


def _whole(here: _Ranges, there: _Ranges, crossing: LaneCrossing) -> tuple[_Pieces, Column]:
    """Return one piece per data segment that crossed as it was, and its shift."""
    known = (crossing.at_sender != NOWHERE) & (here.ends > here.starts)
    rows, starts, ends = here.of(known)
    received = crossing.at_sender[known]
    order = np.argsort(there.rows, kind="stable")
    at = order[np.searchsorted(there.rows[order], received)]
    # a FIN is one also where only one of its copies has data; those are elsewhere then
    same = there.ends[at] - there.starts[at] == ends - starts
    pieces = rows[same], received[same], starts[same], ends[same]
    return pieces, (there.starts[at] - starts)[same]


def _overlaps(sent: _Ranges, received: _Ranges, own: Column) -> tuple[_Pieces, Column]:
    """Return a piece for each pair of segments that share bytes, and its shift."""
    order = np.argsort(sent.starts, kind="stable")
    rows, starts, ends = (column[order] for column in sent)
    reach = np.maximum.accumulate(ends) if len(ends) else ends
    low = np.searchsorted(reach, received.starts, side="right")
    high = np.searchsorted(starts, received.ends, side="left")
    counts = np.clip(high - low, 0, _MOST_COPIES)
    inside = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    a = np.repeat(low, counts) + inside
    b = np.repeat(np.arange(len(received.rows)), counts)
    start = np.maximum(starts[a], received.starts[b])
    end = np.minimum(ends[a], received.ends[b])
    kept = start < end
    a, b = a[kept], b[kept]
    return (rows[a], received.rows[b], start[kept], end[kept]), own[b]


def with_several(rows: Column, others: Column) -> Column:
    """Return the rows that stand beside several others, each once and in order."""
    pairs = np.unique(np.stack((rows, others), axis=1), axis=0)
    found, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.asarray(found[counts > 1])
