"""Columns of results in which something may be missing."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.metrics.state_tables import UNKNOWN
from mptcp_check.analysis.tables.table import Cells, numbers

NANOSECONDS: Final = 1_000_000_000


def rates(sizes_bytes: Column, spans_ns: Column) -> Cells:
    """Return bits per second; none where there is no time between."""
    some = spans_ns > 0
    rates = np.zeros(len(sizes_bytes))
    # Python's numbers: what is divided here may have more than 64 bits.
    pairs = zip(sizes_bytes[some].tolist(), spans_ns[some].tolist(), strict=True)
    rates[some] = [size * 8 * NANOSECONDS / span for size, span in pairs]
    return numbers(rates, some)


def means(sums: Column, counts: Column) -> Cells:
    """Return means, rounded down; none of nothing."""
    return numbers(sums // np.maximum(counts, 1), counts > 0)


def known(column: Column) -> Cells:
    """Return a column; none where nothing is known."""
    return numbers(column, column != UNKNOWN)


def tokens(column: Column) -> Cells:
    """Return a column of tokens; none where the number is negative."""
    return numbers(np.maximum(column, 0), column != UNKNOWN)
