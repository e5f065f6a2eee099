"""Where a stream was resized: the same bytes found again at other places.

Eight bytes that occur once at both ends are an anchor; the anchors' places say by how much the
stream has moved there.  Only a lane whose bytes disagree at their own places is looked at.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.byte_stream import ByteStream
from mptcp_check.analysis.pairing.halves import Half
from mptcp_check.analysis.pairing.segment_matching import bytes_at, mixed

_WINDOW_BYTES: Final = 8
_MOST_BYTES: Final = 8 << 20
"""Of one lane: whoever resizes a stream does it early, or again and again."""
_LEAST_ANCHORS: Final = 2
_ANCHOR_SHIFT: Final = np.uint64(62)
"""One place in four is an anchor, chosen by the bytes there."""


def moved_stream(sent: Half, received: Half) -> list[tuple[int, int]]:
    """Return where the receiver's stream moves against the sender's.

    Returns:
        (place in the receiver's stream, distance from there on), in order; each end counts for
        itself.  Empty if too little is the same to tell.
    """
    here, there = _anchors(sent), _anchors(received)
    _, at_here, at_there = np.intersect1d(here[0], there[0], return_indices=True)
    order = np.argsort(there[1][at_there], kind="stable")
    places = there[1][at_there][order]
    moved = places - here[1][at_here][order]
    if not len(moved):
        return []
    begins = np.flatnonzero(np.concatenate(([True], moved[1:] != moved[:-1])))
    lengths = np.diff(np.append(begins, len(moved)))
    runs: list[tuple[int, int, int]] = []
    for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True):
        if length < _LEAST_ANCHORS:
            continue
        first, last = int(places[begin]), int(places[begin + length - 1])
        if runs and runs[-1][2] == int(moved[begin]):
            runs[-1] = (runs[-1][0], last, runs[-1][2])
        else:
            runs.append((first, last, int(moved[begin])))
    if not runs:
        return []
    streams = ByteStream(sent), ByteStream(received)
    found = [(0, runs[0][2])]
    for before, after in pairwise(runs):
        found.append((_edge(*streams, before[1] + _WINDOW_BYTES, after[0], before[2]), after[2]))
    return found


def _anchors(half: Half) -> tuple[Column, Column]:
    """Return (values, places in the stream) of the anchors that occur once."""
    packets = half.capture.packets
    captured = packets.captured_bytes[half.rows].astype(np.int64)
    kept = (captured >= _WINDOW_BYTES) & (np.cumsum(captured) - captured < _MOST_BYTES)
    counts = captured[kept] - (_WINDOW_BYTES - 1)
    inside = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    offsets = np.repeat(packets.payload_offset[half.rows[kept]], counts) + inside
    places = np.repeat(half.starts[kept], counts) + inside
    values = mixed([bytes_at(half.capture.buffer, offsets)])
    chosen = values >> _ANCHOR_SHIFT == 0
    pairs = np.unique(np.stack((values[chosen].view(np.int64), places[chosen]), axis=1), axis=0)
    names, first, repeats = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    once = repeats == 1
    return names[once], pairs[first[once], 1]


def _edge(sent: ByteStream, received: ByteStream, start: int, end: int, moved: int) -> int:
    """Return the first place of the receiver's range that is not what was sent that far off."""
    if start >= end:
        return end
    there, here = received.read(start, end), sent.read(start - moved, end - moved)
    if there is None or here is None:
        return end
    unequal = np.flatnonzero(there != here)
    return start + int(unequal[0]) if len(unequal) else end
