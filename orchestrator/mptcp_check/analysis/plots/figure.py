"""A figure as a value: what is drawn, not how; `svg` and the page's script draw it alike."""

import enum
from dataclasses import dataclass

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.plots.scales import Quantity


class Shape(enum.StrEnum):
    """How a layer's points become ink."""

    DOTS = "dots"
    """A marker each."""
    STEPS = "steps"
    """A value holds until the next one."""
    LINE = "line"


class Marker(enum.StrEnum):
    """Outlines that are told apart without colour."""

    DOT = "dot"
    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    DIAMOND = "diamond"
    WEDGE = "wedge"
    """A triangle on its point."""
    CROSS = "cross"
    PLUS = "plus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """What a layer looks like."""

    colour: str
    """``#rrggbb``."""
    marker: Marker = Marker.DOT
    size_px: float = 3.0
    """Of a marker, from side to side."""
    filled: bool = True
    dash: tuple[float, ...] = ()
    """Pixels on and off in turn; empty is solid."""
    width_px: float = 1.5
    """Of a line, or of an outline."""
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """Points that look alike and have one line in the legend."""

    label: str
    """In the legend."""
    shape: Shape
    x_ns: Column
    """int64: since the connection's first segment, never decreasing."""
    y: Column
    """int64 or float64, finite."""
    ink: Ink
    rare: bool = False
    """Every point matters: it is drawn above the others."""
    signposts: Marker | None = None
    """Large markers every so often along the layer, where its own are too small to show a shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An event: a vertical line with a name."""

    x_ns: int
    label: str
    colour: str
    count: int
    """How many of the kind fell together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """One plot."""

    id: str
    """Of letters, digits and hyphens: a file's name and an HTML id."""
    title: str
    subtitle: str
    y_label: str
    quantity: Quantity
    """What the y axis counts."""
    x_max_ns: int
    y_max: float
    """Where the y axis ends; the x axis begins at 0."""
    layers: tuple[Layer, ...]
    marks: tuple[Mark, ...]
    notes: tuple[str, ...]
    """What the reader has to know of how it was drawn."""
    y_min: float = 0.0
    """Above 0 where `logarithmic`."""
    logarithmic: bool = False
    """The y axis: each power of ten as long as the next."""
