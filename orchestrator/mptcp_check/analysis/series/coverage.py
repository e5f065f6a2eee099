"""Which bytes of intervals were there before, and who brought them: unions in the order of time."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel

MOST_CELLS: Final = 1_024
"""Of one interval that are looked at for another carrier: a forged capture must not cost hours."""


def fresh_bytes(start: Column, end: Column) -> Column:
    """Count for each interval the bytes that no earlier one has.

    Args:
        start: int64, in the order of time.
        end: int64, after the last byte; an interval that ends before it starts is empty.

    Returns:
        int64; their sum is the size of the union.
    """
    return fresh_and_foreign(start, end, np.zeros(len(start), np.int64))[0]


def fresh_and_foreign(start: Column, end: Column, carrier: Column) -> tuple[Column, Column]:
    """Count fresh bytes as `fresh_bytes`, and say where another carrier came first.

    Args:
        start: int64, in the order of time.
        end: int64, after the last byte.
        carrier: int64: whose interval it is.

    Returns:
        int64 counts, and bool: some byte was first in an interval of another carrier.
    """
    bounds = np.unique(np.concatenate([start, end]))
    first = np.searchsorted(bounds, start)
    last = np.searchsorted(bounds, end)
    fresh, owners = _claim(bounds, first, last)
    return fresh, np.asarray(_foreign(first, last, carrier, owners))


@kernel
def _claim(bounds: Column, first: Column, last: Column) -> tuple[Column, Column]:
    """Let each interval take the cells between bounds that are still free.

    ``free[i]`` leads to the next free cell from ``i`` on (a disjoint-set forest with halved
    paths), so a cell is visited once and the whole is almost linear.

    Returns:
        Bytes taken by each interval, and the interval that took each cell.
    """
    free = np.arange(len(bounds) + 1)
    owners = np.zeros(len(bounds), np.int64)
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
            owners[cell] = index
            free[cell] = cell + 1
    return taken, owners


@kernel
def _foreign(first: Column, last: Column, carrier: Column, owners: Column) -> Column:
    """Say of which intervals another carrier took a cell: it did so before, or it was free."""
    found = np.zeros(len(first), np.bool_)
    for index in range(len(first)):
        for cell in range(first[index], min(last[index], first[index] + MOST_CELLS)):
            if carrier[owners[cell]] != carrier[index]:
                found[index] = True
                break
    return found
