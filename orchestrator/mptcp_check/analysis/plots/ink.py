"""Inks as SVG attributes, and the small specimens of them that a legend shows."""

from collections.abc import Mapping
from typing import Final

from mptcp_check.analysis.plots import marker_paths, style
from mptcp_check.analysis.plots.figure import Ink, Layer, Shape
from mptcp_check.analysis.plots.svg_text import number

SIGNPOST_PX: Final = 7.5

Attributes = Mapping[str, str]


def element(name: str, attributes: Attributes) -> str:
    """Return an empty element; the attributes hold nothing that needs escaping."""
    written = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{written}/>"


def of_marker(ink: Ink) -> Attributes:
    """Return how a path of markers is painted."""
    if marker_paths.is_open(ink):
        found = {
            "fill": "none",
            "stroke": ink.colour,
            "stroke-width": f"{marker_paths.stroke_px(ink):g}",
            "stroke-linecap": "round",
        }
    else:
        found = {"fill": ink.colour}
    return found | ({"opacity": f"{ink.opacity:g}"} if ink.opacity < 1 else {})


def of_line(ink: Ink) -> Attributes:
    """Return how a line is painted."""
    found = {
        "fill": "none",
        "stroke": ink.colour,
        "stroke-width": f"{ink.width_px:g}",
        "stroke-linejoin": "round",
    }
    return found | (
        {"stroke-dasharray": " ".join(map("{:g}".format, ink.dash))} if ink.dash else {}
    )


def signpost(layer: Layer) -> Ink:
    """Return what the large markers along a layer look like."""
    return Ink(
        colour=layer.ink.colour,
        marker=layer.signposts or layer.ink.marker,
        size_px=SIGNPOST_PX,
        width_px=2.0,
    )


def of_signposts(layer: Layer) -> Attributes:
    """Return how the large markers are painted: with a white rim, so that they stand out."""
    ink = signpost(layer)
    if marker_paths.is_open(ink):
        return of_marker(ink)
    return {"fill": ink.colour, "stroke": "#ffffff", "stroke-width": "1"}


def swatch(layer: Layer, x: float, y: float) -> list[Attributes]:
    """Return the paths of a layer's specimen, 28 pixels wide from `x` on."""
    if layer.shape is not Shape.DOTS:
        return [{"d": f"M{number(x)} {number(y)}h28", **of_line(layer.ink)}]
    ink = signpost(layer) if layer.signposts else layer.ink
    marker = {"d": f"M{number(x + 14)} {number(y)}{marker_paths.tail(ink)}", **of_marker(ink)}
    if not layer.signposts:
        return [marker]
    around = "".join(f"M{number(x + step)} {number(y)}h0" for step in (2, 6, 22, 26))
    return [{"d": around, **of_marker(layer.ink)}, marker]


def specimen(subflow: int) -> list[Attributes]:
    """Return the paths of a subflow's line and marker, for a box of 34 by 12 pixels."""
    ink = style.dots(subflow, size_px=7.0)
    return [
        {"d": "M0 6h34", **of_line(style.line(subflow))},
        {"d": f"M17 6{marker_paths.tail(ink)}", **of_marker(ink)},
    ]
