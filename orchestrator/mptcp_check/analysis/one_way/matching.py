"""Find the arrival of each sent segment: by its place, then by what tells copies apart.

Copies of one range differ in their timestamp (RFC 7323, section 4.1) and IP identification, where
the path leaves these as they were: the segments of which there is but one copy at both ends tell,
lane by lane.  What is equal in all of that is matched in the order of time.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.one_way.segments import Segments

_STEPS: Final = Flag.SYN | Flag.FIN | Flag.RST
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
"""2**64 divided by the golden ratio: Fibonacci hashing (Knuth, volume 3, section 6.4)."""
_SHIFT: Final = np.uint64(29)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """Which arrival belongs to which sent segment."""

    received: Column
    """int64, per sent segment: index of its first arrival, -1 without one."""
    sure: Column
    """bool, per sent segment: the arrival is its own, not one of several equal copies'."""
    first_byte: Column
    """int64, per sent segment without an arrival: index of the only one that begins with the same
    byte, of another length, -1 without one: what a split or a merge left of it."""
    sent: Column
    """int64, per arrival: index of the sent segment, -1 without one; of duplicates too."""
    duplicate: Column
    """bool, per arrival: a further arrival of a segment sent once."""
    copy: Column
    """int64, per sent segment: which copy of its range, from 0."""
    group: Column
    """int64, per sent segment: equal for all copies of one range."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Pool:
    """Both ends' segments one after the other, and what has been found so far."""

    sent: Segments
    arrived: Segments
    received: Column = field(init=False)
    sure: Column = field(init=False)
    origin: Column = field(init=False)
    duplicate: Column = field(init=False)

    def __post_init__(self) -> None:
        self.received = np.full(len(self.sent), -1, np.int64)
        self.sure = np.zeros(len(self.sent), np.bool_)
        self.origin = np.full(len(self.arrived), -1, np.int64)
        self.duplicate = np.zeros(len(self.arrived), np.bool_)

    def both(self, name: str) -> Column:
        """Return a column of both ends."""
        return np.concatenate([getattr(self.sent, name), getattr(self.arrived, name)])

    def match(self, keys: list[Column]) -> None:
        """Match what is still free by keys that must all be equal."""
        here, there = np.flatnonzero(self.received < 0), np.flatnonzero(self.origin < 0)
        free = np.concatenate([here, there + len(self.sent)])
        order, start, sent_count, arrived_count = grouped([key[free] for key in keys], len(here))
        most = int(np.minimum(sent_count, arrived_count).sum())
        if not most:
            return
        # the k-th sent of a group belongs to its k-th arrival
        pairs = np.minimum(sent_count, arrived_count)
        group = np.repeat(np.arange(len(start)), pairs)
        place = np.arange(most) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        a = free[order[start[group] + place]]
        b = free[order[start[group] + sent_count[group] + place]] - len(self.sent)
        self.received[a] = b
        self.origin[b] = a
        self.sure[a] = (sent_count == arrived_count)[group] | (sent_count == 1)[group]
        # what arrives oftener than it was sent was doubled on the way
        extra = np.where(sent_count > 0, np.maximum(arrived_count - sent_count, 0), 0)
        group = np.repeat(np.arange(len(start)), extra)
        place = np.arange(len(group)) - np.repeat(np.cumsum(extra) - extra, extra)
        more = free[order[start[group] + 2 * sent_count[group] + place]] - len(self.sent)
        self.origin[more] = free[order[start[group] + sent_count[group] - 1]]
        self.duplicate[more] = True

    def beginnings(self, keys: list[Column]) -> Column:
        """Return for free segments with payload the only free arrival with the same keys."""
        here = np.flatnonzero((self.received < 0) & (self.sent.length > 0))
        there = np.flatnonzero((self.origin < 0) & (self.arrived.length > 0))
        free = np.concatenate([here, there + len(self.sent)])
        order, start, sent_count, arrived_count = grouped([key[free] for key in keys], len(here))
        alone = start[(sent_count == 1) & (arrived_count == 1)]
        found = np.full(len(self.sent), -1, np.int64)
        found[free[order[alone]]] = free[order[alone + 1]] - len(self.sent)
        return found


def grouped(keys: list[Column], sent: int) -> tuple[Column, Column, Column, Column]:
    """Group rows by equal keys, the first `sent` rows of them being the sent ones.

    Keys are mixed to 64 bits: that two different ones meet is as likely as a damaged segment with
    a right checksum is not, and would spoil one delay.

    Returns:
        An order of the rows in which groups are together, sent rows first, each in its old order;
        where each group starts in it; how many sent and how many other rows each has.
    """
    mixed = np.zeros(len(keys[0]), np.uint64)
    for key in keys:
        mixed = (mixed ^ key.astype(np.int64).view(np.uint64)) * _MIX
        mixed ^= mixed >> _SHIFT
    order = np.argsort(mixed, kind="stable")
    ordered = mixed[order]
    start = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] ^ np.uint64(1)))
    ends = np.append(start[1:], len(order))
    before = np.concatenate([[0], np.cumsum(order < sent)])
    sent_count = before[ends] - before[start]
    return order, start, sent_count, ends - start - sent_count


def match(sent: Segments, arrived: Segments) -> Matches:
    """Match the segments of both ends.

    Args:
        sent: What the senders' captures hold.
        arrived: What the receivers' captures hold, of the same lanes.
    """
    pool = _Pool(sent=sent, arrived=arrived)
    base = [pool.both("lane"), pool.both("place"), pool.both("length"), pool.both("flags") & _STEPS]
    copies = grouped([key[: len(sent)] for key in base], len(sent))
    kept = [_kept(pool, base, name) for name in ("stamp", "ip_id")]
    ack = pool.both("ack")
    exact = [*base, *kept]
    for keys in ([*exact, ack, pool.both("digest")], [*exact, ack], exact):
        pool.match(keys)
    group, copy = _copies(copies)
    return Matches(
        received=pool.received,
        sure=pool.sure,
        first_byte=pool.beginnings([base[0], base[1], kept[0]]),
        sent=pool.origin,
        duplicate=pool.duplicate,
        copy=np.where(sent.elicits, copy, 0),
        group=group,
    )


def _kept(pool: _Pool, base: list[Column], name: str) -> Column:
    """Return a field of both ends where the path leaves it as it was, 0 elsewhere."""
    values, lane = pool.both(name), base[0]
    lanes = int(lane.max(initial=-1)) + 1
    total = len(pool.sent)
    order, start, sent_count, arrived_count = grouped([*base, pool.both("ack")], total)
    alone = start[(sent_count == 1) & (arrived_count == 1)]
    a, b = order[alone], order[alone + 1]
    used = (values[a] > 0) | (values[b] > 0)
    a, b = a[used], b[used]
    asked = np.bincount(lane[a], minlength=lanes)
    equal = np.bincount(lane[a], weights=values[a] == values[b], minlength=lanes)
    # a lane that cannot tell is taken for one like the others
    overall = 2 * equal.sum() >= asked.sum()
    keeps = np.where(asked > 0, 2 * equal >= asked, overall)
    return np.where(keeps[lane], values, 0) if len(lane) else values


def _copies(found: tuple[Column, Column, Column, Column]) -> tuple[Column, Column]:
    """Return for each row its group and its place in it, in the order of time."""
    order, start, count, _ = found
    group, copy = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    group[order] = np.repeat(np.arange(len(start)), count)
    copy[order] = np.arange(len(order)) - np.repeat(start, count)
    return group, copy
