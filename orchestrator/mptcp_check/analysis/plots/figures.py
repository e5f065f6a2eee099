"""From a connection's series to its figures: what is drawn, in which ink, with which words.

Five plots of each direction that carried data, all over the same time axis; `docs/plots.md` says
how to read each one.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.plots import style
from mptcp_check.analysis.plots.event_marks import marks_of
from mptcp_check.analysis.plots.figure import Figure, Ink, Layer, Mark, Shape
from mptcp_check.analysis.plots.scales import Quantity, worded
from mptcp_check.analysis.series.values import (
    ConnectionSeries,
    DirectionSeries,
    Sending,
    Steps,
)

_HEADROOM: Final = 1.04
_WIDE: Final = 20.0
"""Values that differ by a larger factor need a logarithmic axis to be seen."""
_WIDE_HEADROOM: Final = 1.3
_TIMES_HIGHER: Final = 2.0
"""A window that is so many times above everything else leaves the axis to the rest."""


def figures_of(series: ConnectionSeries) -> tuple[Figure, ...]:
    """Return the figures of a connection, the client's direction first."""
    return tuple(
        figure
        for direction in series.directions
        for figure in _Drawing(series, direction).figures()
    )


def subflow_name(series: ConnectionSeries, subflow: int) -> str:
    """Return a subflow's number and endpoints."""
    found = series.connection.subflows[subflow]
    return f"subflow {subflow}: {found.client} \u2013 {found.server}"


class _Drawing:
    """One direction on its way to paper."""

    def __init__(self, series: ConnectionSeries, direction: DirectionSeries) -> None:
        connection = series.connection
        self.series = series
        self.direction = direction
        self.start_ns = connection.start_ns
        self.x_max_ns = max(connection.end_ns - connection.start_ns, 1_000)
        self.marks: tuple[Mark, ...] = marks_of(series, x_max_ns=self.x_max_ns)
        ends = (str(connection.client), str(connection.server))
        sender, receiver = ends if direction.from_client else ends[::-1]
        role = "client to server" if direction.from_client else "server to client"
        self.subtitle = f"Connection {connection.id}, {role}: {sender} to {receiver}"
        self.used = [
            subflow
            for subflow in direction.subflows
            if len(subflow.flight) or bool((direction.sent.subflow == subflow.subflow).any())
        ]

    def figures(self) -> Iterator[Figure]:
        yield self._sequence()
        yield self._window()
        yield self._goodput()
        yield self._round_trips()
        yield self._ack_sizes()

    def _sequence(self) -> Figure:
        sent, acks = self.direction.sent, self.direction.acknowledged
        highest = np.maximum.accumulate(acks.data_ack) if len(acks) else acks.data_ack
        layers = [
            self._layer("highest DATA_ACK", Shape.STEPS, acks.time_ns, highest, style.ACKNOWLEDGED)
        ]
        known = acks.right_edge >= 0
        edge = self._layer(
            "right edge of the receive window",
            Shape.STEPS,
            acks.time_ns[known],
            acks.right_edge[known],
            style.RIGHT_EDGE,
        )
        words = {
            Sending.RETRANSMITTED: "sent again by TCP",
            Sending.REPEATED: "sent again as data",
            Sending.REINJECTED: "reinjected",
        }
        for subflow in self.used:
            own = (sent.subflow == subflow.subflow) & (sent.sending == Sending.NEW)
            layers.append(
                self._layer(
                    self._name(subflow.subflow),
                    Shape.DOTS,
                    sent.time_ns[own],
                    sent.end[own],
                    style.small_dots(subflow.subflow),
                    signposts=True,
                    subflow=subflow.subflow,
                )
            )
        for subflow in self.used:
            for sending, word in words.items():
                own = (sent.subflow == subflow.subflow) & (sent.sending == sending)
                ink = style.again(subflow.subflow, sending)
                label = f"subflow {subflow.subflow}: {word} ({int(own.sum()):,} segments)"
                layers.append(
                    self._layer(label, Shape.DOTS, sent.time_ns[own], sent.end[own], ink, rare=True)
                )
        origin = "from the IDSN" if self.direction.origin_known else "from the first one seen"
        notes = []
        if self.direction.unmapped_bytes:
            missing = worded(Quantity.BYTES, self.direction.unmapped_bytes)
            notes.append(f"{missing} of payload have no mapping and are not drawn")
        if self.direction.implausible_count:
            notes.append(
                f"{self.direction.implausible_count:,} numbers more than 4 GiB away from their "
                "neighbours are not drawn"
            )
        return self._figure(
            "sequence",
            "Data sequence",
            f"data sequence number {origin}",
            Quantity.BYTES,
            layers,
            high=[edge],
            notes=notes,
        )

    def _window(self) -> Figure:
        direction = self.direction
        window = self._steps("receive window", direction.window, style.RIGHT_EDGE)
        layers = [
            self._steps("data not acknowledged by DATA_ACK", direction.outstanding, style.TOTAL),
            self._steps("flights of all subflows together", direction.flight, style.SUM),
        ]
        layers += [
            self._steps(f"flight of {self._name(s.subflow)}", s.flight, style.line(s.subflow))
            for s in self.used
        ]
        notes = [] if len(direction.window) else ["no receive window: its scale was not captured"]
        return self._figure(
            "window",
            "Window and flight",
            "data",
            Quantity.BYTES,
            layers,
            high=[window],
            notes=notes,
        )

    def _goodput(self) -> Figure:
        direction = self.direction
        source = "by DATA_ACKs" if direction.goodput_from_acks else "new data sent"
        layers = [
            self._steps(f"goodput ({source})", direction.goodput, style.TOTAL, shape=Shape.LINE)
        ]
        layers += [
            self._steps(
                f"throughput of {self._name(s.subflow)}",
                s.throughput,
                style.line(s.subflow),
                shape=Shape.LINE,
            )
            for s in self.used
        ]
        span = worded(Quantity.TIME, direction.average_ns)
        return self._figure(
            "goodput",
            "Goodput and throughput",
            "rate",
            Quantity.RATE,
            layers,
            notes=[f"moving averages over the {span} before each point"],
        )

    def _round_trips(self) -> Figure:
        layers = []
        for subflow in self.used:
            name = self._name(subflow.subflow)
            for word, steps, filled in (
                ("by ACKs", subflow.rtt_acks, True),
                ("by timestamps", subflow.rtt_timestamps, False),
            ):
                ink = style.dots(subflow.subflow, filled=filled, size_px=4.0 if filled else 6.0)
                layers.append(self._steps(f"{name}, {word}", steps, ink, shape=Shape.DOTS))
        return self._figure(
            "rtt",
            "Round-trip time",
            "from the capture point to the receiver and back",
            Quantity.TIME,
            layers,
            wide=True,
        )

    def _ack_sizes(self) -> Figure:
        acks = self.direction.acknowledged
        layers = []
        for subflow in self.used:
            name = self._name(subflow.subflow)
            ink = style.dots(subflow.subflow, filled=False, size_px=4.0, opacity=0.55)
            layers.append(self._steps(f"{name}, ACK", subflow.ack_sizes, ink, shape=Shape.DOTS))
        for subflow in self.direction.subflows:
            own = (acks.subflow == subflow.subflow) & (acks.advance_bytes > 0)
            label = f"DATA_ACK on subflow {subflow.subflow}"
            ink = style.dots(subflow.subflow, size_px=5.0)
            steps = Steps(time_ns=acks.time_ns[own], value=acks.advance_bytes[own])
            layers.append(self._steps(label, steps, ink, shape=Shape.DOTS))
        return self._figure(
            "acks",
            "Acknowledgement sizes",
            "bytes acknowledged at once",
            Quantity.BYTES,
            layers,
            wide=True,
        )

    def _figure(
        self,
        id_: str,
        title: str,
        y_label: str,
        quantity: Quantity,
        layers: Iterable[Layer],
        *,
        high: Iterable[Layer] = (),
        notes: Iterable[str] = (),
        wide: bool = False,
    ) -> Figure:
        """Put a figure together.

        Layers that are `high` may leave the axis at its top, and then a note says so.  What may be
        `wide` gets a logarithmic axis if its values differ by a large factor.
        """
        low_layers = [layer for layer in layers if len(layer.x_ns)]
        words = list(notes)
        y_max = max((float(layer.y.max()) for layer in low_layers), default=0.0)
        y_min = min((float(layer.y.min()) for layer in low_layers), default=0.0)
        drawn = []
        for layer in high:
            if not len(layer.x_ns):
                continue
            drawn.append(layer)
            top = float(layer.y.max())
            if y_max and top > _TIMES_HIGHER * y_max:
                words.append(f"{layer.label} goes beyond the axis, up to {worded(quantity, top)}")
            else:
                y_max = max(y_max, top)
        least = min((_least(layer.y) for layer in low_layers), default=1.0)
        logarithmic = wide and y_max > _WIDE * least
        way = "c2s" if self.direction.from_client else "s2c"
        return Figure(
            id=f"{way}-{id_}",
            title=title,
            subtitle=self.subtitle,
            y_label=y_label,
            quantity=quantity,
            x_max_ns=self.x_max_ns,
            y_min=least / _HEADROOM if logarithmic else min(y_min, 0.0),
            logarithmic=logarithmic,
            y_max=y_max * (_WIDE_HEADROOM if logarithmic else _HEADROOM) if y_max > 0 else 1.0,
            layers=(*drawn, *low_layers),
            marks=self.marks,
            notes=tuple(words),
        )

    def _name(self, subflow: int) -> str:
        return subflow_name(self.series, subflow)

    def _steps(self, label: str, steps: Steps, ink: Ink, *, shape: Shape = Shape.STEPS) -> Layer:
        return self._layer(label, shape, steps.time_ns, steps.value, ink)

    def _layer(
        self,
        label: str,
        shape: Shape,
        time_ns: Column,
        y: Column,
        ink: Ink,
        *,
        rare: bool = False,
        signposts: bool = False,
        subflow: int = 0,
    ) -> Layer:
        return Layer(
            label=label,
            shape=shape,
            x_ns=np.asarray(time_ns - self.start_ns),
            y=y,
            ink=ink,
            rare=rare,
            signposts=style.marker(subflow) if signposts else None,
        )


def _least(values: Column) -> float:
    """Return the least value above 0, which a logarithmic axis can show."""
    above = values[values > 0]
    return float(above.min()) if len(above) else 1.0
