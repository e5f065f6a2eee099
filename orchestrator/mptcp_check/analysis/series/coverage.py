"""Which bytes of intervals were there before, and who brought them: unions in the order of time."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel
from mptcp_check.analysis.interval_owners import FREE, Cells, cells

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
    return _fresh(cells(start, end))


def fresh_and_foreign(start: Column, end: Column, carrier: Column) -> tuple[Column, Column]:
    """Count fresh bytes as `fresh_bytes`, and say where another carrier came first.

    Args:
        start: int64, in the order of time.
        end: int64, after the last byte.
        carrier: int64: whose interval it is.

    Returns:
        int64 counts, and bool: some byte was first in an interval of another carrier.
    """
    taken = cells(start, end)
    foreign = _foreign(taken.first, taken.last, carrier, taken.owner)
    return _fresh(taken), np.asarray(foreign)


def _fresh(taken: Cells) -> Column:
    found = np.zeros(len(taken.first), np.int64)
    sizes = np.diff(taken.bounds)
    owner = taken.owner[: len(sizes)]
    own = owner != FREE
    np.add.at(found, owner[own], sizes[own])
    return found


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
