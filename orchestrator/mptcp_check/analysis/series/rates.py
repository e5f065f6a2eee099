"""Bytes per time as moving averages."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.series.values import Steps

_BITS_PER_BYTE: Final = 8
_NS_PER_S: Final = 10**9
_SPANS: Final = 40
"""The span of the average is about the fortieth part of the time: smooth, and still a curve."""
_SHORTEST_NS: Final = 1_000_000
_POINTS_PER_SPAN: Final = 8


def average_span_ns(duration_ns: int) -> int:
    """Return a round span (1, 2 or 5 times a power of ten) for moving averages over a time."""
    wanted = max(duration_ns // _SPANS, _SHORTEST_NS)
    power: int = 10 ** (len(str(wanted)) - 1)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted)


def moving_average(
    time_ns: Column, amount_bytes: Column, *, start_ns: int, end_ns: int, span_ns: int
) -> Steps:
    """Return bits per second over the last span, several times per span.

    Args:
        time_ns: When each amount came, in the order of time.
        amount_bytes: As long as `time_ns`.
        start_ns: Of the grid.
        end_ns: Of the time looked at; the grid goes on until the last amount has left the average.
        span_ns: How far each average looks back.

    Returns:
        Float64 values on a grid of `_POINTS_PER_SPAN` points per span.
    """
    step_ns = max(span_ns // _POINTS_PER_SPAN, 1)
    grid = start_ns + step_ns * np.arange((end_ns + span_ns - start_ns) // step_ns + 2)
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(amount_bytes)])
    until = total[np.searchsorted(time_ns, grid, side="right")]
    since = total[np.searchsorted(time_ns, grid - span_ns, side="right")]
    return Steps(time_ns=grid, value=(until - since) * (_BITS_PER_BYTE * _NS_PER_S / span_ns))
