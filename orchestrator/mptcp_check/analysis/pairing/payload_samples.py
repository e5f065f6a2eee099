"""A few places of each stream's payload, to recognise it where nothing else stayed on the way."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.byte_stream import ByteStream
from mptcp_check.analysis.pairing.halves import UNKNOWN, HalfTable

_SAMPLE_BYTES: Final = 32
_PLACES: Final = (0, 64, 256, 700, 4_096, 65_536)
"""Where the payload is sampled: most servers greet alike, so the start alone says little."""


def samples(table: HalfTable) -> list[bytes | None]:
    """Return a few bytes of each half's stream, none if not even the first were captured.

    Places that this capture does not hold are left out together with all after them, so a
    transfer cut short at one end may not match; other clues remain.
    """
    found: list[bytes | None] = [None] * len(table)
    packets = table.capture.packets
    captured = packets.captured_bytes[table.rows].astype(np.int64)
    known = np.flatnonzero((captured > 0) & (table.isn != UNKNOWN)[table.half_of])
    if not len(known):
        return found
    open_ = np.zeros(len(table), np.bool_)
    open_[table.half_of[known]] = True
    streams: dict[int, ByteStream] = {}
    short: list[int] = []
    for place in _PLACES:
        starts = table.starts[known]
        inside = (starts <= place) & (starts + captured[known] >= place + _SAMPLE_BYTES)
        # of several copies the first one captured counts: the last write to a cell stays
        own = known[inside][::-1]
        first = np.full(len(table), UNKNOWN, np.int64)
        first[table.half_of[own]] = own
        whole = np.flatnonzero(open_ & (first != UNKNOWN))
        for half, data in zip(whole.tolist(), _cut(table, first[whole], place), strict=True):
            found[half] = (found[half] or b"") + data
        reaches = open_ & (first == UNKNOWN)
        pieced = np.flatnonzero(reaches & (table.captured.highest >= place + _SAMPLE_BYTES))
        for half in pieced.tolist():
            stream = streams.setdefault(half, ByteStream(table.halves[half]))
            joined = stream.read(place, place + _SAMPLE_BYTES)
            if joined is None:
                open_[half] = False
            else:
                found[half] = (found[half] or b"") + joined.tobytes()
        ended = reaches & (table.captured.highest < place + _SAMPLE_BYTES)
        if place == 0:
            short = np.flatnonzero(ended).tolist()
        open_ &= ~ended
        if not open_.any():
            break
    for half in short:
        found[half] = _short(ByteStream(table.halves[half]))
    return found


def _short(stream: ByteStream) -> bytes | None:
    """Return all of a stream that is less than a sample, as a command line: if it is finished."""
    end = stream.finish()
    data = stream.read(0, end) if end is not None and 0 < end < _SAMPLE_BYTES else None
    return None if data is None else data.tobytes()


def _cut(table: HalfTable, positions: Column, place: int) -> list[bytes]:
    """Return the sample at a place of each half, out of one segment."""
    offsets = table.capture.packets.payload_offset[table.rows[positions]]
    at = offsets + place - table.starts[positions]
    window = np.ascontiguousarray(
        table.capture.buffer[np.add.outer(at, np.arange(_SAMPLE_BYTES))]
    ).tobytes()
    return [
        window[index * _SAMPLE_BYTES : (index + 1) * _SAMPLE_BYTES]
        for index in range(len(positions))
    ]
