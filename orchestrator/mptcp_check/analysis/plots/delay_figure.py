"""One-way delay over time, of each direction that both captures hold: `inspect --server --plot`."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.one_way.clock import ahead_ns
from mptcp_check.analysis.one_way.values import ClockEstimate, Fate, TwoEnds
from mptcp_check.analysis.plots import style
from mptcp_check.analysis.plots.event_marks import marks_of
from mptcp_check.analysis.plots.figure import Figure, Ink, Layer, Marker, Shape
from mptcp_check.analysis.plots.figures import subflow_name
from mptcp_check.analysis.plots.scales import Quantity, worded
from mptcp_check.analysis.series.values import ConnectionSeries, DirectionSeries
from mptcp_check.model import Side

_HEADROOM: Final = 1.04
_SHORTEST_NS: Final = 1_000
_FOOT: Final = 0.015
"""Part of the axis below the marks of what was lost, which have no delay."""


def delay_figures(ends: TwoEnds, series: ConnectionSeries) -> tuple[Figure, ...]:
    """Return the figure of each direction that was drawn and has delays.

    Args:
        ends: What two captures tell together.
        series: A connection of the client's capture.
    """
    clock = ends.clock
    if clock is None:
        return ()
    found = (_figure(ends, clock, series, direction) for direction in series.directions)
    return tuple(figure for figure in found if figure is not None)


def _figure(
    ends: TwoEnds, clock: ClockEstimate, series: ConnectionSeries, direction: DirectionSeries
) -> Figure | None:
    connection = series.connection
    crossings = ends.crossings
    layers: list[Layer] = []
    losses: list[tuple[str, Column, Ink]] = []
    y_min, y_max = 0.0, 0.0
    for place, subflow in enumerate(ends.subflows):
        owner, number = subflow.numbers[Side.CLIENT]
        if owner != connection.id:
            continue
        rows = _rows(ends, place, by_server=not direction.from_client)
        left_ns = crossings.sent_ns[rows] - connection.start_ns
        at_server = crossings.sent_at_server[rows]
        # by the client's clock, as everything else in the plots
        behind = ahead_ns(clock, crossings.sent_ns[rows] - clock.offset_ns)
        left_ns = left_ns - np.where(at_server, behind, 0)
        known, delay_ns = crossings.has_delay[rows], crossings.delay_ns[rows]
        name = subflow_name(series, number)
        layers.append(_layer(name, left_ns[known], delay_ns[known], style.dots(number, size_px=3)))
        lost = crossings.fate[rows] == Fate.LOST
        ink = Ink(colour=style.colour(number), marker=Marker.CROSS, size_px=7, filled=False)
        label = f"subflow {number}: lost on the way ({int(lost.sum()):,} packets)"
        losses.append((label, left_ns[lost], ink))
        if known.any():
            y_min = min(y_min, float(delay_ns[known].min()))
            y_max = max(y_max, float(delay_ns[known].max()))
    foot = y_min + _FOOT * (y_max - y_min)
    layers += [_layer(*one, rare=True) for one in _at(foot, losses)]
    drawn = tuple(layer for layer in layers if len(layer.x_ns))
    if not drawn:
        return None
    way = "client to server" if direction.from_client else "server to client"
    last_ns = max(int(layer.x_ns[-1]) for layer in drawn)
    x_max_ns = max(connection.end_ns - connection.start_ns, last_ns, _SHORTEST_NS)
    error = worded(Quantity.TIME, (clock.offset_high_ns - clock.offset_low_ns + 1) // 2)
    note = f"all delays of a direction may be wrong by the same {error}: both count as equally fast"
    return Figure(
        id=f"{'c2s' if direction.from_client else 's2c'}-delay",
        title="One-way delay",
        subtitle=f"Connection {connection.id}, {way}",
        y_label="from one capture point to the other",
        quantity=Quantity.TIME,
        x_max_ns=x_max_ns,
        y_min=y_min,
        y_max=y_max * _HEADROOM if y_max > 0 else 1.0,
        layers=drawn,
        marks=marks_of(series, x_max_ns=x_max_ns),
        notes=(note,),
    )


def _rows(ends: TwoEnds, place: int, *, by_server: bool) -> slice:
    """Return where one direction of a subflow is among the crossings, which are in its order."""
    subflow, server = ends.crossings.subflow, ends.crossings.by_server
    first, last = (int(np.searchsorted(subflow, place, side=side)) for side in ("left", "right"))
    turn = first + int(np.searchsorted(server[first:last], True))  # noqa: FBT003 - a value to find
    return slice(turn, last) if by_server else slice(first, turn)


def _at(
    height: float, losses: Sequence[tuple[str, Column, Ink]]
) -> Iterator[tuple[str, Column, Column, Ink]]:
    for label, left_ns, ink in losses:
        yield label, left_ns, np.full(len(left_ns), height), ink


def _layer(label: str, left_ns: Column, y: Column, ink: Ink, *, rare: bool = False) -> Layer:
    order = np.argsort(left_ns, kind="stable")
    inside = np.maximum(left_ns[order], 0)
    return Layer(label=label, shape=Shape.DOTS, x_ns=inside, y=y[order], ink=ink, rare=rare)
