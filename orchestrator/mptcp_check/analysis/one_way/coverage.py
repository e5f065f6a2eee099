"""When places of streams were first captured, and first acknowledged, at either end."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.interval_owners import cells
from mptcp_check.analysis.one_way.crossing_kernel import MOST_BLOCKS, SACK, sack_blocks
from mptcp_check.analysis.one_way.segments import (
    SPACE,
    Segments,
    difference,
    option_lists,
    overall,
)
from mptcp_check.model import Side

NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """Ranges of places with a time each."""

    start: Column
    """int64, in the number space of `segments.overall`."""
    end: Column
    time_ns: Column

    def first_ns(self, start: Column, end: Column) -> Column:
        """Return when both ends of ranges were first covered, `NEVER` where they were not.

        A segment lies inside of what was acknowledged at once or outside of it, unless it was
        split on the way; so its first and its last byte tell.
        """
        order = np.argsort(self.time_ns, kind="stable")
        taken = cells(self.start[order], self.end[order])
        times = np.append(self.time_ns[order], NEVER)  # `FREE` is the last one
        covered = [times[taken.owner_at(place)] for place in (start, end - 1)]
        return np.where(end > start, np.maximum(*covered), NEVER)


def captured(segments: Segments) -> Intervals:
    """Return the ranges that an end's capture holds."""
    start, end = segments.span
    return Intervals(start=start, end=end, time_ns=segments.time_ns)


class Acknowledged:
    """What one end's segments acknowledge of the way back.

    Args:
        acks: Segments with acknowledgements.
        data: What the same captures hold of the ways back: the numbers' neighbourhood.
        captures: Where the option lists are.
    """

    def __init__(self, acks: Segments, data: Segments, captures: dict[Side, Capture]) -> None:
        self._acks = acks
        chosen = np.flatnonzero(acks.ack >= 0)
        self._reference = _references(acks, data)
        place = self._reference[chosen] + difference(acks.ack[chosen], self._reference[chosen])
        number = overall(acks.lane[chosen] ^ 1, place)
        # lanes are in pairs: in the order of the lane acknowledged, numbers of one follow another's
        order = np.argsort(acks.lane[chosen] ^ 1, kind="stable")
        self._chosen = chosen[order]
        self._highest = np.maximum.accumulate(number[order]) if len(order) else number
        self._lane = acks.lane[self._chosen] ^ 1
        self._time_ns = acks.time_ns[self._chosen]
        self._blocks, self._sack_lanes = self._sacked(captures)

    def first_ns(self, data: Segments) -> Column:
        """Return when segments of the acknowledged lanes were first acknowledged, or `NEVER`."""
        start, end = data.span
        index = np.searchsorted(self._highest, end, side="left")
        found = np.clip(index, 0, max(len(self._lane) - 1, 0))
        by_number = np.full(len(data), NEVER)
        if len(self._lane):
            same = (index < len(self._lane)) & (self._lane[found] == data.lane)
            by_number = np.where(same, self._time_ns[found], NEVER)
        return np.asarray(np.minimum(by_number, self._blocks.first_ns(start, end)))

    def reached(self, data: Segments) -> Column:
        """Return whether a segment, at its time, began at or below what was acknowledged."""
        last = self._last_before(data)
        start, _ = data.span
        told = (last >= 0) & (self._lane[last] == data.lane) if len(self._lane) else last >= 0
        return np.asarray(told & (self._highest[last] >= start)) if len(self._lane) else told

    def answered_between(self, data: Segments, from_ns: Column, until_ns: Column) -> Column:
        """Return whether the receiver sent anything for a lane after one time, before another."""
        lane = np.append(self._lane, -1)
        times = np.append(self._time_ns, NEVER)
        at = _position(self._lane, self._time_ns, data.lane, from_ns)
        return np.asarray((lane[at] == data.lane) & (times[at] < until_ns))

    def selective(self, data: Segments) -> Column:
        """Return whether the receiver of a segment's lane ever sent a SACK block."""
        return np.isin(data.lane, self._sack_lanes)

    def _last_before(self, data: Segments) -> Column:
        return _position(self._lane, self._time_ns, data.lane, data.time_ns) - 1

    def _sacked(self, captures: dict[Side, Capture]) -> tuple[Intervals, Column]:
        acks = self._acks
        starts, ends, times, lanes = [], [], [], []
        for side, capture in captures.items():
            own = acks.at_server if side is Side.SERVER else ~acks.at_server
            kinds = capture.packets.option_kinds
            chosen = np.flatnonzero(own & (acks.ack >= 0))
            chosen = chosen[(kinds[acks.row[chosen]] >> SACK & 1) != 0]
            segment, left, right = (np.zeros(len(chosen) * MOST_BLOCKS, np.int64) for _ in range(3))
            lists = option_lists(capture, acks.row[chosen])
            count = sack_blocks(readable(capture.buffer), *lists, segment, left, right)
            of = chosen[segment[:count]]
            lane = acks.lane[of] ^ 1
            number = capture.packets.ack[acks.row[of]].astype(np.int64)
            # blocks count as the acknowledgement does, which is known as a place
            base = self._reference[of] + difference(acks.ack[of], self._reference[of])
            begin, end = (base + difference(edge[:count], number) for edge in (left, right))
            fine = (end > begin) & (end - begin < SPACE >> 1)
            starts.append(overall(lane, begin)[fine])
            ends.append(overall(lane, end)[fine])
            times.append(acks.time_ns[of][fine])
            lanes.append(lane[fine])
        nothing = np.zeros(0, np.int64)
        blocks = Intervals(
            start=np.concatenate([nothing, *starts]),
            end=np.concatenate([nothing, *ends]),
            time_ns=np.concatenate([nothing, *times]),
        )
        return blocks, np.unique(np.concatenate([nothing, *lanes]))


def _references(acks: Segments, data: Segments) -> Column:
    """Return for each segment where the way back stood: after the last data captured before it."""
    carriers = np.flatnonzero(data.length > 0)
    at = _position(data.lane[carriers], data.time_ns[carriers], acks.lane ^ 1, acks.time_ns) - 1
    if not len(carriers):
        return np.zeros(len(acks), np.int64)
    last = carriers[np.maximum(at, 0)]
    known = (at >= 0) & (data.lane[last] == (acks.lane ^ 1))
    return np.where(known, data.end[last], 0)


def _position(lane: Column, time_ns: Column, of_lane: Column, of_time_ns: Column) -> Column:
    """Return after how many rows, ordered by lane and time, others of a lane and time come."""
    keys = np.concatenate([lane, of_lane])
    times = np.concatenate([time_ns, of_time_ns])
    is_query = np.concatenate([np.zeros(len(lane), np.bool_), np.ones(len(of_lane), np.bool_)])
    order = np.lexsort((is_query, times, keys))
    before = np.cumsum(~is_query[order])
    found = np.empty(len(order), np.int64)
    found[order] = before
    return found[len(lane) :]
