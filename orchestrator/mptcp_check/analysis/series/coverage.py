"""Which bytes of intervals were there before: the union of intervals, in the order of time."""

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel


def fresh_bytes(start: Column, end: Column) -> Column:
    """Count for each interval the bytes that no earlier one has.

    Args:
        start: int64, in the order of time.
        end: int64, after the last byte; an interval that ends before it starts is empty.

    Returns:
        int64; their sum is the size of the union.
    """
    bounds = np.unique(np.concatenate([start, end]))
    first = np.searchsorted(bounds, start)
    last = np.searchsorted(bounds, end)
    return np.asarray(_claim(bounds, first, last))


@kernel
def _claim(bounds: Column, first: Column, last: Column) -> Column:
    """Let each interval take the cells between bounds that are still free.

    ``free[i]`` leads to the next free cell from ``i`` on (a disjoint-set forest with halved
    paths), so a cell is visited once and the whole is almost linear.
    """
    free = np.arange(len(bounds) + 1)
    taken = np.zeros(len(first), np.int64)
    for index in range(len(first)):
        cell = first[index]
        while True:
            while free[cell] != cell:
                free[cell] = free[free[cell]]
                cell = free[cell]
            if cell >= last[index]:
                break
            taken[index] += bounds[cell + 1] - bounds[cell]
            free[cell] = cell + 1
    return taken
