"""Match the segments that nothing but time tells apart, or that moved with their stream."""

from collections.abc import Iterable

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.lane_crossing import MatchedBy
from mptcp_check.analysis.pairing.segment_matching import (
    Matches,
    Segments,
    groups_of,
    joined,
    left_over,
    moved,
)
from mptcp_check.analysis.pairing.stream_drift import StreamDrift

Ends = tuple[Segments, Segments]
"""The segments of all lanes at the sender and at the receiver."""


def completed(ends: Ends, first: Matches, drift: StreamDrift, least_ns: int | None) -> Matches:
    """Return all matches, in the order of the sender's segments.

    Args:
        ends: What is matched.
        first: The matches that need no clock.
        drift: Where streams were resized.
        least_ns: The least difference of the two clocks' readings of one segment; none without
            a clock.
    """
    sent, received = ends
    here, there = left_over(first, sent, received)
    if drift and len(here) and len(there):
        places = sent.start[here] + drift.of(sent, here, at_sender=True), received.start[there]
        first = joined(sent, received, first, moved(sent, received, (here, there), places))
        here, there = left_over(first, sent, received)
    names = groups_of(sent, here), groups_of(received, there)
    both = np.intersect1d(*names)
    if not len(both):
        return first
    found = list(_in_time(ends, (here, there), names, both, least_ns))
    if not found:
        return first
    more = np.array(found, dtype=np.int64)
    by_time = Matches(sent=more[:, 0], received=more[:, 1], by=more[:, 2].astype(np.uint8))
    return joined(sent, received, first, by_time)


def _in_time(
    ends: Ends,
    chosen: tuple[Column, Column],
    names: tuple[Column, Column],
    both: Column,
    least_ns: int | None,
) -> Iterable[tuple[int, int, int]]:
    """Match copies that are not as many at both ends: each with the last one sent before."""
    events: dict[int, list[list[tuple[int, int]]]] = {int(name): [[], []] for name in both}
    for end, segments_ in enumerate(ends):
        keep = np.isin(names[end], both)
        index = chosen[end][keep]
        times = segments_.table.time_ns[segments_.position[index]]
        for name, number, time_ns in zip(
            names[end][keep].tolist(), index.tolist(), times.tolist(), strict=True
        ):
            events[name][end].append((time_ns, number))
    for here, there in events.values():
        if least_ns is None:
            for (_, a), (_, b) in zip(here, there, strict=False):
                yield a, b, int(MatchedBy.ORDER)
            continue
        waiting, free = iter(here), list[int]()
        upcoming = next(waiting, None)
        for received_ns, b in there:
            while upcoming is not None and received_ns - upcoming[0] >= least_ns:
                free.append(upcoming[1])
                upcoming = next(waiting, None)
            if free:
                yield free.pop(), b, int(MatchedBy.TIME)
