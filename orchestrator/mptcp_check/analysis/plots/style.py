"""Colours, markers and dashes: subflows are told apart in colour, in print and by the colour-blind.

The colours are those of Okabe and Ito ("Color Universal Design", 2008) that keep their distance on
white paper for every kind of colour vision; each has a marker and a dash of its own, so seven
subflows differ three times.  Beyond seven, colours repeat with other markers.
"""

from typing import Final

from mptcp_check.analysis.plots.figure import Ink, Marker
from mptcp_check.analysis.series.values import Sending

DARK: Final = "#222222"
GREY: Final = "#767676"

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b8860b", "#4477aa", "#000000")
MARKERS: Final = (
    Marker.CIRCLE,
    Marker.SQUARE,
    Marker.TRIANGLE,
    Marker.DIAMOND,
    Marker.WEDGE,
    Marker.CROSS,
    Marker.PLUS,
)
DASHES: Final[tuple[tuple[float, ...], ...]] = (
    (),
    (7, 3),
    (2, 2),
    (9, 3, 2, 3),
    (4, 2, 1, 2),
    (12, 4),
)

ACKNOWLEDGED: Final = Ink(colour=DARK, width_px=1.2)
RIGHT_EDGE: Final = Ink(colour=GREY, width_px=1.2, dash=(5, 3))
TOTAL: Final = Ink(colour=DARK, width_px=2.0)
SUM: Final = Ink(colour=GREY, width_px=1.4, dash=(1.5, 2))


def colour(subflow: int) -> str:
    """Return a subflow's colour."""
    return COLOURS[subflow % len(COLOURS)]


def marker(subflow: int) -> Marker:
    """Return a subflow's marker; together with the colour it repeats after 49 subflows."""
    return MARKERS[_turned(subflow) % len(MARKERS)]


def line(subflow: int) -> Ink:
    """Return what a subflow's lines look like."""
    return Ink(colour=colour(subflow), dash=DASHES[_turned(subflow) % len(DASHES)], width_px=1.5)


def dots(subflow: int, *, filled: bool = True, size_px: float = 4.5, opacity: float = 1.0) -> Ink:
    """Return what a subflow's points look like."""
    return Ink(
        colour=colour(subflow),
        marker=marker(subflow),
        size_px=size_px,
        filled=filled,
        width_px=1.0,
        opacity=opacity,
    )


def small_dots(subflow: int) -> Ink:
    """Return what a subflow's points look like where there are thousands."""
    return Ink(colour=colour(subflow), marker=Marker.DOT, size_px=2.4)


AGAIN: Final = {
    Sending.NEW: Marker.DOT,
    Sending.RETRANSMITTED: Marker.CROSS,
    Sending.REPEATED: Marker.PLUS,
    Sending.REINJECTED: Marker.CIRCLE,
}
"""A cross by TCP, an upright one on the level of data, a ring where it changed the subflow."""


def again(subflow: int, sending: Sending) -> Ink:
    """Return what data sent again looks like."""
    return Ink(
        colour=colour(subflow),
        marker=AGAIN[sending],
        size_px=7.0,
        filled=False,
        width_px=1.1,
    )


def _turned(subflow: int) -> int:
    """Return a number that goes one further with each round of the colours."""
    return subflow + subflow // len(COLOURS)
