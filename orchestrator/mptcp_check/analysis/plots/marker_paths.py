"""Outlines of markers as SVG path data, relative to a point; the page's script takes the same."""

from typing import Final

from mptcp_check.analysis.plots.figure import Ink, Marker

_TIMES: Final = {
    "r": 1.0,
    "R": -1.0,
    "d": 2.0,
    "D": -2.0,
    "s": 0.9,
    "S": -0.9,
    "e": 1.8,
    "E": -1.8,
    "t": 1.2,
    "T": -1.2,
    "w": 1.15,
    "b": 2.3,
    "B": -2.3,
    "q": 1.25,
    "Q": -1.25,
}
"""Lengths as multiples of half the marker's size: shapes of equal size look equally large."""

_TAILS: Final = {
    # A stroke of no length with round ends is the shortest dot there is.
    Marker.DOT: "h0",
    Marker.CIRCLE: "m{R} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 {D} 0z",
    Marker.SQUARE: "m{S} {S}h{e}v{e}h{E}z",
    Marker.TRIANGLE: "m0 {T}l{w} {d}h{B}z",
    Marker.DIAMOND: "m0 {Q}l{q} {q}l{Q} {q}l{Q} {Q}z",
    Marker.WEDGE: "m0 {t}l{w} {D}h{B}z",
    Marker.CROSS: "m{R} {R}l{d} {d}m0 {D}l{D} {d}",
    Marker.PLUS: "m{R} 0h{d}m{R} {R}v{d}",
}


def tail(ink: Ink) -> str:
    """Return what follows ``M x y`` to draw a marker around that point."""
    r = ink.size_px / 2
    return _TAILS[ink.marker].format(**{name: f"{k * r:g}" for name, k in _TIMES.items()})


def is_open(ink: Ink) -> bool:
    """Say whether a marker is drawn by strokes, not filled."""
    return not ink.filled or ink.marker in (Marker.CROSS, Marker.PLUS, Marker.DOT)


def stroke_px(ink: Ink) -> float:
    """Return the width of a marker's strokes."""
    return ink.size_px if ink.marker is Marker.DOT else ink.width_px
