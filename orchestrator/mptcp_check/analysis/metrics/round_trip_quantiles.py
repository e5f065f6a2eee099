"""Median, 95th percentile and deviation of round trips, from their histograms."""

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.metrics.round_trip_kernel import SUB_BITS
from mptcp_check.analysis.metrics.state_tables import CELL_BITS, UNKNOWN


def round_trips(cells: Column, count: int) -> tuple[Column, Column, Column]:
    """Return median, 95th percentile and standard deviation of every histogram, nanoseconds.

    Args:
        cells: The hash table of `round_trip_kernel`.
        count: How many histograms there may be.

    Returns:
        One per histogram, as if each sample were the middle of its cell; 0 for one without any.
        The deviation is divided by the count less one.
    """
    found = (np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64))
    used = cells[cells[:, 0] != UNKNOWN]
    used = used[np.argsort(used[:, 0])]
    if not len(used):
        return found
    owners, starts = np.unique(used[:, 0] >> CELL_BITS, return_index=True)
    sums = np.cumsum(used[:, 1])
    ends = np.append(starts[1:], len(used)) - 1
    before = np.where(starts > 0, sums[starts - 1], 0)
    totals = sums[ends] - before
    values = _middle(used[:, 0]).astype(np.float64)
    means = np.add.reduceat(values * used[:, 1], starts) / totals
    squares = (values - np.repeat(means, np.diff(np.append(starts, len(used))))) ** 2
    variances = np.add.reduceat(squares * used[:, 1], starts) / np.maximum(totals - 1, 1)
    found[2][owners] = np.rint(np.sqrt(variances))
    for column, (numerator, denominator) in zip(found[:2], ((1, 2), (19, 20)), strict=True):
        # the first cell up to which this part of the samples is counted
        wanted = before + -(-totals * numerator // denominator)
        column[owners] = _middle(used[np.searchsorted(sums, wanted), 0])
    return found


def _middle(keys: Column) -> Column:
    """Return the middle of each cell: `count_sample` says what it holds."""
    cell = keys & ((1 << CELL_BITS) - 1)
    # In all exponents but the first the leading bit is in the cell: 64 to 127.
    exponent = np.maximum((cell >> SUB_BITS) - 1, 0)
    mantissa = cell - (exponent << SUB_BITS)
    middle: Column = (mantissa << exponent) + (1 << exponent) // 2
    return middle
