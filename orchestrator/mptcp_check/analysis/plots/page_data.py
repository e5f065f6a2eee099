"""What the page's script needs of the figures, as JSON that stands safely inside HTML."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.plots import ink, marker_paths, svg
from mptcp_check.analysis.plots.figure import Figure, Layer, Mark, Shape
from mptcp_check.analysis.plots.layout import (
    FOOT,
    HEAD,
    LANE,
    LEFT,
    LEGEND_ROW,
    PLOT_HEIGHT,
    RIGHT,
    WIDTH,
    legend_rows,
    mark_text,
)
from mptcp_check.analysis.plots.thinning import thinned

CELLS: Final = 8_192
"""Of the grid on which points are thinned: ten times finer than the still picture."""
MOST_POINTS: Final = 20_000
"""Per layer; then the page of a connection stays below a few megabytes."""
_NS_PER_US: Final = 1_000


def page_data(figures: Sequence[Figure]) -> str:
    """Return the JSON document of a page; ``<``, ``>`` and ``&`` are written as escapes."""
    document = {
        "layout": {
            "width": WIDTH,
            "left": LEFT,
            "right": RIGHT,
            "height": PLOT_HEIGHT,
            "head": HEAD,
            "lane": LANE,
        },
        "x_max_ns": figures[0].x_max_ns,
        "marks": [_mark(mark) for mark in figures[0].marks],
        "figures": [_figure(figure) for figure in figures],
    }
    written = json.dumps(document, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def _mark(mark: Mark) -> Mapping[str, Any]:
    return {"x": mark.x_ns / _NS_PER_US, "label": mark_text(mark), "colour": mark.colour}


def _figure(figure: Figure) -> Mapping[str, Any]:
    frame = svg.frame_of(figure)
    chosen = [thinned(layer, figure, cells=CELLS, most=MOST_POINTS) for layer in figure.layers]
    kept, total = sum(map(len, chosen)), sum(len(layer.x_ns) for layer in figure.layers)
    thin = [f"in this page: {kept:,} of {total:,} points"] if kept < total else []
    return {
        "id": figure.id,
        "title": figure.title,
        "subtitle": figure.subtitle,
        "y_label": figure.y_label,
        "quantity": figure.quantity,
        "logarithmic": figure.logarithmic,
        "y": [figure.y_min, figure.y_max],
        "top": frame.top,
        "lanes": svg.lanes_of(figure),
        "notes": [*figure.notes, *thin],
        "legend": [
            {
                "layer": figure.layers.index(layer),
                "x": x,
                "y": frame.bottom + FOOT + place * LEGEND_ROW + 12,
                "swatch": ink.swatch(layer, x, frame.bottom + FOOT + place * LEGEND_ROW + 8),
            }
            for place, row in enumerate(legend_rows(figure.layers))
            for x, layer in row
        ],
        "layers": [
            {**_layer(layer, own), "shift": place * svg.SIGNPOST_SHIFT_PX}
            for place, (layer, own) in enumerate(zip(figure.layers, chosen, strict=True))
        ],
    }


def _layer(layer: Layer, chosen: Column) -> Mapping[str, Any]:
    own, post = layer.ink, ink.signpost(layer)
    dots = layer.shape is Shape.DOTS
    return {
        "label": layer.label,
        "shape": layer.shape,
        "rare": layer.rare,
        "colour": own.colour,
        "opacity": own.opacity,
        "dash": own.dash,
        "width": marker_paths.stroke_px(own) if dots else own.width_px,
        "tail": marker_paths.tail(own) if dots else "",
        "open": marker_paths.is_open(own),
        "post": marker_paths.tail(post) if layer.signposts else "",
        "post_open": marker_paths.is_open(post),
        "x": _deltas(layer.x_ns[chosen] // _NS_PER_US),
        "y": _deltas(np.round(layer.y[chosen]).astype(np.int64)),
    }


def _deltas(values: Column) -> list[int]:
    """Return differences, which have fewer digits than the values."""
    differences: list[int] = np.diff(values, prepend=0).tolist()
    return differences
