"""Which of several intervals was first at each place: unions that say who brought what."""

from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel

FREE: Final = -1
"""Owner of a cell that no interval has."""


class Cells(NamedTuple):
    """The line, cut where intervals begin and end."""

    bounds: Column
    """int64, increasing: cell ``n`` goes from ``bounds[n]`` up to ``bounds[n + 1]``, the last one
    for ever."""
    owner: Column
    """int64, one per cell: index of the first interval that has it, or `FREE`; the element after
    them is of what lies before the first cell."""
    first: Column
    """int64, one per interval: its first cell."""
    last: Column
    """int64, one per interval: the cell after its last one."""

    def owner_at(self, place: Column) -> Column:
        """Return the index of the first interval that has each of these places, or `FREE`."""
        return np.asarray(self.owner[np.searchsorted(self.bounds, place, side="right") - 1])


def cells(start: Column, end: Column) -> Cells:
    """Let intervals take places in their order.

    Args:
        start: int64.
        end: int64, after the last place; an interval that ends before it starts is empty.
    """
    bounds = np.unique(np.concatenate([start, end]))
    first, last = np.searchsorted(bounds, start), np.searchsorted(bounds, end)
    owner = np.full(len(bounds) + 1, FREE, np.int64)
    claim(first, last, np.arange(len(bounds) + 1), owner)
    return Cells(bounds, owner, first, last)


@kernel
def claim(first: Column, last: Column, free: Column, owner: Column) -> None:
    """Let intervals take cells in their order; a cell belongs to the first that takes it.

    ``free[i]`` leads to the next free cell from ``i`` on (a disjoint-set forest with halved
    paths), so a cell is visited once and the whole is almost linear.

    Args:
        first: int64: first cell of each interval.
        last: int64: the cell after its last.
        free: int64, one more than there are cells, from 0 up; used up.
        owner: int64, filled: index of the interval; what stays is free.
    """
    for index in range(len(first)):
        cell = first[index]
        while True:
            while free[cell] != cell:
                free[cell] = free[free[cell]]
                cell = free[cell]
            if cell >= last[index]:
                break
            owner[cell] = index
            free[cell] = cell + 1
