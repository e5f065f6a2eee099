"""A figure as one SVG document that needs nothing else: no font, no style sheet, no script.

SVG 1.1, drawn with presentation attributes only, so it also stands inside a page whose policy
forbids inline styles.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.plots import ink, marker_paths
from mptcp_check.analysis.plots.figure import Figure, Layer, Shape
from mptcp_check.analysis.plots.layout import (
    FOOT,
    HEAD,
    LANE,
    LEFT,
    LEGEND_ROW,
    PLOT_HEIGHT,
    RIGHT,
    WIDTH,
    Frame,
    legend_rows,
    mark_text,
    place_marks,
)
from mptcp_check.analysis.plots.scales import Quantity, axis, logarithmic_axis
from mptcp_check.analysis.plots.style import DARK
from mptcp_check.analysis.plots.svg_text import number, text
from mptcp_check.analysis.plots.thinning import thinned

FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
CELLS: Final = 800
"""Of the grid on which points are thinned: about a pixel wide, less than half one high."""
MOST_POINTS: Final = 6_000
"""Per layer."""
_SMALL_PX: Final = 2.4
"""Larger markers hide each other sooner, so their grid is coarser."""
_SIGNPOST_PX: Final = 70
"""Distance of the large markers along a layer of small ones."""
SIGNPOST_SHIFT_PX: Final = 25
"""From layer to layer, so that those of layers upon each other are all seen."""
_FAR_PX: Final = 100_000.0
_GRID: Final = "#e4e4e4"


def render(figure: Figure) -> str:
    """Return a figure as an SVG document."""
    frame = frame_of(figure)
    rows = legend_rows(figure.layers)
    drawn = [(layer, _chosen(figure, layer)) for layer in figure.layers]
    notes = [*figure.notes, *_thinned_note(drawn)]
    height = number(frame.bottom + FOOT + len(rows) * LEGEND_ROW + len(notes) * 15 + 10)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    face = f'font-family="{text(FONT)}" font-size="12" fill="{DARK}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {face} role="img">',
        f"<title>{text(f'{figure.title}. {figure.subtitle}')}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="16" font-weight="bold">{text(figure.title)}</text>',
        f'<text x="{LEFT}" y="40" fill="#444444">{text(figure.subtitle)}</text>',
        *_axes(frame),
        *_marks(frame),
        f'<clipPath id="clip-{figure.id}">',
        f'<rect x="{LEFT}" y="{number(frame.top - 4)}" width="{number(frame.width + 4)}"',
        f'height="{PLOT_HEIGHT + 4}"/></clipPath>',
        f'<g clip-path="url(#clip-{figure.id})">',
        *(_layer(frame, layer, chosen) for layer, chosen in drawn if not layer.rare),
        *(_signposts(frame, layer, chosen) for layer, chosen in drawn if layer.signposts),
        *(_layer(frame, layer, chosen) for layer, chosen in drawn if layer.rare),
        "</g>",
        *_legend(frame, rows),
        *_notes(notes, float(height)),
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def frame_of(figure: Figure) -> Frame:
    """Return where a figure's plot is: below its title and the names of its events."""
    return Frame(figure=figure, top=HEAD + lanes_of(figure) * LANE + 6)


def lanes_of(figure: Figure) -> int:
    """Return how many rows the names of a figure's events take."""
    frame = Frame(figure=figure, top=0)
    used = [placed.lane for placed in place_marks(figure.marks, frame) if placed.lane is not None]
    return max(used, default=-1) + 1


def _notes(notes: Sequence[str], height: float) -> Iterator[str]:
    for place, note in enumerate(notes):
        y = number(height - 8 - 15 * (len(notes) - 1 - place))
        yield f'<text x="{LEFT}" y="{y}" font-size="11" fill="#555555">{text(note)}</text>'


def _chosen(figure: Figure, layer: Layer) -> Column:
    return thinned(
        layer,
        figure,
        cells=round(CELLS * min(1.0, _SMALL_PX / layer.ink.size_px)),
        most=MOST_POINTS,
    )


def _thinned_note(drawn: Sequence[tuple[Layer, Column]]) -> list[str]:
    """Say how many points were left out, if any."""
    total = sum(len(layer.x_ns) for layer, _ in drawn)
    kept = sum(len(chosen) for _, chosen in drawn)
    if kept == total:
        return []
    note = f"drawn: {kept:,} of {total:,} points: one where several share a pixel"
    return [f"{note}; of lines the least and the greatest"]


def _axes(frame: Frame) -> Iterator[str]:
    figure, bottom = frame.figure, frame.bottom
    across = axis(Quantity.TIME, 0, figure.x_max_ns, wanted=9)
    choose = logarithmic_axis if figure.logarithmic else axis
    up = choose(figure.quantity, figure.y_min, figure.y_max, wanted=6)
    for value, label in up.ticks:
        y = number(frame.y(value))
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{_GRID}"/>'
        yield f'<path d="M{LEFT - 5} {y}H{LEFT}" stroke="{DARK}"/>'
        place = f'x="{LEFT - 9}" y="{y}" dy="0.35em" text-anchor="end"'
        yield f"<text {place}>{text(_minus(label))}</text>"
    for value, label in across.ticks:
        x = number(frame.x(value))
        yield f'<path d="M{x} {number(bottom)}v5" stroke="{DARK}"/>'
        yield f'<text x="{x}" y="{number(bottom + 18)}" text-anchor="middle">{label}</text>'
    yield (
        f'<path d="M{LEFT} {number(frame.top)}V{number(bottom)}H{WIDTH - RIGHT}" fill="none" '
        f'stroke="{DARK}"/>'
    )
    middle = number(LEFT + frame.width / 2)
    yield (
        f'<text x="{middle}" y="{number(bottom + 36)}" text-anchor="middle">'
        f"time since the connection's first segment ({across.unit})</text>"
    )
    words = f"{figure.y_label} ({up.unit})" if up.unit else figure.y_label
    centre = number(frame.top + PLOT_HEIGHT / 2)
    yield (
        f'<text x="18" y="{centre}" text-anchor="middle" transform="rotate(-90 18 {centre})">'
        f"{text(words)}</text>"
    )


def _minus(label: str) -> str:
    return label.replace("-", "\u2212")


def _marks(frame: Frame) -> Iterator[str]:
    for placed in place_marks(frame.figure.marks, frame):
        x, mark = number(placed.x), placed.mark
        start = frame.top if placed.lane is None else HEAD + placed.lane * LANE + 2
        yield (
            f'<path d="M{x} {number(start)}V{number(frame.bottom)}" stroke="{mark.colour}" '
            'stroke-dasharray="1 3"/>'
        )
        if placed.lane is not None:
            y = number(HEAD + placed.lane * LANE + 10)
            beside = placed.x - 3 if placed.leftwards else placed.x + 3
            anchor = ' text-anchor="end"' if placed.leftwards else ""
            yield (
                f'<text x="{number(beside)}" y="{y}" font-size="10" fill="{mark.colour}"{anchor}>'
                f"{text(mark_text(mark))}</text>"
            )


def _layer(frame: Frame, layer: Layer, chosen: Column) -> str:
    if layer.shape is Shape.DOTS:
        data = _markers(frame, layer, chosen, marker_paths.tail(layer.ink))
        return ink.element("path", {"d": data, **ink.of_marker(layer.ink)})
    places = _places(frame, layer, chosen)
    if layer.shape is Shape.STEPS:
        x, y = places[0]
        data = "".join(f"H{a:g}V{b:g}" for a, b in places)
        data = f"M{x:g} {y:g}{data}H{WIDTH - RIGHT}"
    else:
        data = "M" + "L".join(f"{a:g} {b:g}" for a, b in places)
    return ink.element("path", {"d": data, **ink.of_line(layer.ink)})


def _signposts(frame: Frame, layer: Layer, chosen: Column) -> str:
    """Draw large markers on some of a layer's points, about equally far apart in time."""
    shift = frame.figure.layers.index(layer) * SIGNPOST_SHIFT_PX
    column = np.floor((frame.xs(layer.x_ns[chosen]) + shift) / _SIGNPOST_PX)
    posts = chosen[np.flatnonzero(np.diff(column, prepend=-1.0))]
    tail = marker_paths.tail(ink.signpost(layer))
    return ink.element(
        "path", {"d": _markers(frame, layer, posts, tail), **ink.of_signposts(layer)}
    )


def _markers(frame: Frame, layer: Layer, chosen: Column, tail: str) -> str:
    return "".join(f"M{x:g} {y:g}{tail}" for x, y in _places(frame, layer, chosen))


def _places(frame: Frame, layer: Layer, chosen: Column) -> list[tuple[float, float]]:
    """Return where points are, to a tenth of a pixel; far outside is as good as anywhere there."""
    y = np.clip(frame.ys(layer.y[chosen]), -_FAR_PX, _FAR_PX)
    x = frame.xs(layer.x_ns[chosen])
    return list(zip(np.round(x, 1).tolist(), np.round(y, 1).tolist(), strict=True))


def _legend(frame: Frame, rows: Sequence[Sequence[tuple[float, Layer]]]) -> Iterator[str]:
    for place, row in enumerate(rows):
        y = frame.bottom + FOOT + place * LEGEND_ROW + 12
        for x, layer in row:
            yield from (ink.element("path", path) for path in ink.swatch(layer, x, y - 4))
            yield f'<text x="{number(x + 34)}" y="{number(y)}">{text(layer.label)}</text>'
