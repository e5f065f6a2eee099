import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.plots.figure import Figure, Ink, Layer, Shape
from mptcp_check.analysis.plots.scales import Quantity
from mptcp_check.analysis.plots.thinning import thinned

SPAN_NS = 1_000_000


def figure_of(shape: Shape, x: list[int], y: list[int], *, logarithmic: bool = False) -> Figure:
    layer = Layer(
        label="a",
        shape=shape,
        x_ns=np.array(x, np.int64),
        y=np.array(y, np.int64),
        ink=Ink(colour="#000000"),
    )
    return Figure(
        id="a",
        title="",
        subtitle="",
        y_label="",
        quantity=Quantity.BYTES,
        x_max_ns=SPAN_NS,
        y_min=1.0 if logarithmic else 0.0,
        y_max=1000.0,
        logarithmic=logarithmic,
        layers=(layer,),
        marks=(),
        notes=(),
    )


def scattered(seed: int, count: int) -> list[tuple[int, int]]:
    """Return points in the order of time, some of them outside the figure."""
    random = np.random.default_rng(seed)
    x = np.sort(random.integers(0, SPAN_NS + 1, count)).tolist()
    return list(zip(x, random.integers(-2000, 5000, count).tolist(), strict=True))


POINTS = st.builds(scattered, st.integers(0, 1 << 30), st.integers(1, 1500))


@given(POINTS, st.sampled_from(Shape), st.booleans(), st.integers(8, 64))
def test_what_stays_is_in_order_and_covers_the_same_columns(
    points: list[tuple[int, int]],
    shape: Shape,
    logarithmic: bool,  # noqa: FBT001 - Hypothesis
    cells: int,
) -> None:
    x, y = [p[0] for p in points], [p[1] for p in points]
    figure = figure_of(shape, x, y, logarithmic=logarithmic)
    kept = thinned(figure.layers[0], figure, cells=cells, most=10_000).tolist()

    assert kept == sorted(set(kept))
    assert {x[i] * cells // SPAN_NS for i in kept} == {a * cells // SPAN_NS for a in x}


@given(POINTS, st.integers(8, 64))
def test_a_line_keeps_its_peaks(points: list[tuple[int, int]], cells: int) -> None:
    x, y = [p[0] for p in points], [p[1] for p in points]
    figure = figure_of(Shape.STEPS, x, y)
    kept = thinned(figure.layers[0], figure, cells=cells, most=10_000)

    assert {min(y), max(y), y[0], y[-1]} <= {y[i] for i in kept.tolist()}


def test_an_outlier_among_a_million_points_stays() -> None:
    x = np.sort(np.random.default_rng(1).integers(0, SPAN_NS, 1_000_000)).tolist()
    y = [500] * 1_000_000
    y[654_321] = 990
    figure = figure_of(Shape.DOTS, x, y)
    kept = thinned(figure.layers[0], figure, cells=8192, most=2000)

    assert len(kept) <= 2000
    assert 654_321 in kept
