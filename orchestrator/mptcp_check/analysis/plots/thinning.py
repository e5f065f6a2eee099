"""Fewer points for the same picture: what falls into one pixel is drawn once.

Points are thinned by cells of a grid: the first point of each cell stays, so an outlier, alone in
its cell, is never lost.  Lines are thinned by columns: first, least, greatest and last value stay,
so the drawn line covers the same pixels.
"""

import math
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.plots.figure import Figure, Layer, Shape

_COARSEST: Final = 8
"""Columns and rows of the grid below which it is not made coarser."""


def thinned(layer: Layer, figure: Figure, *, cells: int, most: int) -> Column:
    """Choose points of a layer.

    Args:
        layer: Whose points.
        figure: Its axes.
        cells: Columns (and rows) of the finest grid.
        most: How many points are too many: the grid is made coarser until fewer remain.

    Returns:
        Positions of the points to draw, increasing.
    """
    if layer.shape is not Shape.DOTS:
        return _of_line(layer, figure.x_max_ns, min(cells, max(most // 4, 1)))
    if len(layer.x_ns) <= most and cells >= len(layer.x_ns):
        return np.arange(len(layer.x_ns))
    kept = _of_dots(layer, figure, cells)
    while len(kept) > most and cells > _COARSEST:
        cells //= 2
        kept = _of_dots(layer, figure, cells)
    return kept


def _of_dots(layer: Layer, figure: Figure, cells: int) -> Column:
    low, high, y = figure.y_min, figure.y_max, layer.y
    if figure.logarithmic:
        low, high, y = math.log10(low), math.log10(high), np.log10(np.maximum(y, low))
    column = _cell(layer.x_ns, 0.0, float(figure.x_max_ns), cells)
    row = _cell(y, low, high, cells)
    _, first = np.unique(column * (3 * cells + 1) + row, return_index=True)
    return np.sort(first)


def _of_line(layer: Layer, x_max_ns: int, columns: int) -> Column:
    count = len(layer.x_ns)
    if count <= 4 * columns:
        return np.arange(count)
    column = _cell(layer.x_ns, 0.0, float(x_max_ns), columns)
    first = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    last = np.append(first[1:], count) - 1
    # Within a column, sorted by value: the least comes first, the greatest last.
    order = np.lexsort((layer.y, column))
    return np.unique(np.concatenate([first, last, order[first], order[last]]))


def _cell(values: Column, low: float, high: float, cells: int) -> Column:
    """Return which of the equal parts of an axis a value is in; outside, up to as many again."""
    place = np.floor((values - low) * (cells / max(high - low, 1e-9)))
    return np.clip(place, -cells, 2 * cells).astype(np.int64) + cells
