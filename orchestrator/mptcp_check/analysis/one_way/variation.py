"""Delays and losses of each lane in numbers, all lanes at once: sorted once, then looked up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.one_way.values import Spread

_PERCENTILES: Final = (50, 95, 99)
_WHOLE: Final = 100


def spreads(lane: Column, value_ns: Column, lanes: int) -> Sequence[Spread]:
    """Return the distribution of the values of each lane.

    Percentiles are by nearest rank: a value that was measured (RFC 2330, section 11.3).
    """
    order = np.lexsort((value_ns, lane))
    values = value_ns[order]
    count = np.bincount(lane, minlength=lanes)
    first = np.cumsum(count) - count
    ranks = [(count * percent + _WHOLE - 1) // _WHOLE - 1 for percent in _PERCENTILES]
    at = np.stack([np.zeros(lanes, np.int64), *ranks, count - 1])
    known = count > 0
    picked = np.zeros(at.shape, np.int64)
    picked[:, known] = values[(first + at)[:, known]]
    columns = [[int(value) for value in row] for row in (count, *picked)]
    return [
        Spread(count=n, min_ns=low, median_ns=middle, p95_ns=p95, p99_ns=p99, max_ns=high)
        if n
        else Spread()
        for n, low, middle, p95, p99, high in zip(*columns, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """Losses in the order of sending, per lane: RFC 3357."""

    period_count: Column
    longest_count: Column
    distance_median_count: Column
    """0 with fewer than two losses."""


def loss_runs(lane: Column, lost: Column, lanes: int) -> Runs:
    """Return how losses follow each other.

    Args:
        lane: int64, never decreasing, of all segments in the order of sending.
        lost: bool.
        lanes: How many lanes there are.
    """
    at = np.flatnonzero(lost)
    own = lane[at]
    begins = np.ones(len(at), np.bool_)
    begins[1:] = (np.diff(at) > 1) | (np.diff(own) != 0)
    starts = np.flatnonzero(begins)
    length = np.diff(np.append(starts, len(at)))
    longest = np.zeros(lanes, np.int64)
    np.maximum.at(longest, own[starts], length)
    next_too = np.diff(own) == 0
    distances = spreads(own[1:][next_too], np.diff(at)[next_too], lanes)
    return Runs(
        period_count=np.bincount(own[starts], minlength=lanes),
        longest_count=longest,
        distance_median_count=np.array([d.median_ns or 0 for d in distances], np.int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reordering:
    """Arrivals behind segments that were sent later, per lane: RFC 4737."""

    count: Column
    extent_max_count: Column


def reordering(lane: Column, sent: Column, lanes: int) -> Reordering:
    """Count arrivals that came too late.

    Args:
        lane: int64, never decreasing, of arrivals in the order of time.
        sent: int64: index of the segment in the order of sending, all lanes together; it grows
            with the lane.
        lanes: How many lanes there are.
    """
    # as lanes follow each other in both, the highest of earlier lanes is below all of this one
    highest = np.maximum.accumulate(sent) if len(sent) else sent
    late = np.flatnonzero(sent < highest)
    # the first arrival of any that was sent later: section 4.2.1
    overtaken_at = np.searchsorted(highest, sent[late], side="right")
    extent = np.zeros(lanes, np.int64)
    np.maximum.at(extent, lane[late], late - overtaken_at)
    return Reordering(count=np.bincount(lane[late], minlength=lanes), extent_max_count=extent)


def consecutive(lane: Column, delay_ns: Column, known: Column) -> tuple[Column, Column]:
    """Return lane and delay difference of each two segments sent one after the other.

    Both must have arrived: RFC 3393, section 3.4 and section 4.2, with that selection function.
    """
    both = known[1:] & known[:-1] & (lane[1:] == lane[:-1])
    return lane[1:][both], np.diff(delay_ns)[both]
