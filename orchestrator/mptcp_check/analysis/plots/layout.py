"""Where things are on a figure, in pixels of its own coordinate system."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.plots.figure import Figure, Layer, Mark

WIDTH: Final = 960
LEFT: Final = 76
RIGHT: Final = 22
PLOT_HEIGHT: Final = 330
HEAD: Final = 50
"""Title and subtitle."""
LANE: Final = 14
"""Height of a row of event names."""
LANES: Final = 5
FOOT: Final = 44
"""The x axis' numbers and label."""
LEGEND_ROW: Final = 19
LEGEND_GAP: Final = 22
SWATCH: Final = 34
CHARACTER: Final = 6.3
"""Mean width of a character at 12 pixels; text is not measured, so it errs on the wide side."""
SAME_NAME: Final = 90.0
"""A mark that is nearer to one of the same name needs no name of its own."""
SMALL_CHARACTER: Final = 6.0
"""The same at 10 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The plot's rectangle and how values become places in it."""

    figure: Figure
    top: float

    @property
    def width(self) -> float:
        """Of the plot's rectangle."""
        return WIDTH - LEFT - RIGHT

    @property
    def bottom(self) -> float:
        """Where the x axis is."""
        return self.top + PLOT_HEIGHT

    def xs(self, values_ns: Column) -> Column:
        """Return where times are."""
        return np.asarray(LEFT + values_ns * (self.width / self.figure.x_max_ns))

    def ys(self, values: Column) -> Column:
        """Return where values are; on a logarithmic axis nothing is below its begin."""
        low, high = self.figure.y_min, self.figure.y_max
        if self.figure.logarithmic:
            values = np.log10(np.maximum(values, low))
            low, high = math.log10(low), math.log10(high)
        return np.asarray(self.bottom - (values - low) * (PLOT_HEIGHT / (high - low)))

    def x(self, value_ns: float) -> float:
        """Return where a time is."""
        return float(self.xs(np.asarray(value_ns)))

    def y(self, value: float) -> float:
        """Return where a value is."""
        return float(self.ys(np.asarray(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A mark's name, or none where there was no room for it."""

    mark: Mark
    x: float
    lane: int | None
    leftwards: bool
    """The name ends at the line, as there is no room to the right of it."""


def place_marks(marks: tuple[Mark, ...], frame: Frame) -> tuple[Placed, ...]:
    """Write names beside their lines, in the first row with room.

    A name that fits nowhere, or stands close by already, is left out; its line stays.
    """
    free = [0.0] * LANES
    written: dict[str, float] = {}
    placed = []
    for mark in marks:
        x = frame.x(mark.x_ns)
        width = len(mark_text(mark)) * SMALL_CHARACTER + 10
        leftwards = x + width > WIDTH
        start = x - width if leftwards else x
        lane = next((i for i, taken in enumerate(free) if taken <= start), None)
        if x - written.get(mark.label, -SAME_NAME) < SAME_NAME:
            lane = None
        if lane is not None:
            free[lane] = start + width
            written[mark.label] = x
        placed.append(Placed(mark=mark, x=x, lane=lane, leftwards=leftwards))
    return tuple(placed)


def mark_text(mark: Mark) -> str:
    """Return a mark's name, with a count if it stands for several."""
    return mark.label if mark.count == 1 else f"{mark.label} \u00d7{mark.count}"


def legend_rows(layers: tuple[Layer, ...]) -> tuple[tuple[tuple[float, Layer], ...], ...]:
    """Break the legend into rows: each entry with its x."""
    rows: list[list[tuple[float, Layer]]] = [[]]
    x = float(LEFT)
    for layer in layers:
        width = SWATCH + len(layer.label) * CHARACTER + LEGEND_GAP
        if rows[-1] and x + width - LEGEND_GAP > WIDTH - RIGHT:
            rows.append([])
            x = float(LEFT)
        rows[-1].append((x, layer))
        x += width
    return tuple(tuple(row) for row in rows if row)
