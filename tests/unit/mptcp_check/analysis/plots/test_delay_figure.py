"""Delays of two captures on the pages of the client's: at the right time, with what was lost."""

from pathlib import Path

import numpy as np

from mptcp_check import plotting
from mptcp_check.analysis.flows.connections import connections
from mptcp_check.analysis.one_way.measure import measure
from mptcp_check.analysis.one_way.values import TwoEnds
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.plots.delay_figure import delay_figures
from mptcp_check.analysis.plots.figure import Figure
from mptcp_check.analysis.series.extraction import series_of
from traces import TWO_PATHS, captures
from traces import Path as Between

MS = 1_000_000
LOST = TWO_PATHS.replace(
    "0.100 0.1 > SYN join", "0.095 0.1 > SYN join => lost\n    0.100 0.1 > SYN join"
)


def drawn(text: str, path: Between | None = None) -> tuple[TwoEnds, list[Figure]]:
    client, server = captures(text, path)
    (connection,) = connections(client.packets)
    ends = measure(pair(client, server))
    return ends, list(delay_figures(ends, series_of(client.packets, connection)))


def test_each_direction_shows_every_subflow_at_its_time() -> None:
    ends, figures = drawn(TWO_PATHS, Between(clock_offset_ns=-(10**15)))

    assert [figure.id for figure in figures] == ["c2s-delay", "s2c-delay"]
    for figure in figures:
        assert len(figure.layers) == 2
        assert {int(y) for layer in figure.layers for y in layer.y} == {10 * MS}
    first = figures[1].layers[0]
    # the server's segments leave at these times after the connection's first one
    assert np.allclose(first.x_ns[:3], [20 * MS, 60 * MS, 62 * MS], atol=1)
    assert len(ends.subflows) == 2


def test_what_was_lost_is_marked_at_the_time_it_was_sent() -> None:
    _, figures = drawn(LOST)
    (lost,) = [layer for layer in figures[0].layers if layer.rare]

    assert lost.x_ns.tolist() == [95 * MS]
    assert "1 packets" in lost.label
    assert 0 < lost.y[0] < figures[0].y_max / 10


def test_a_page_has_the_figures_beside_the_others(tmp_path: Path) -> None:
    client, server = captures(TWO_PATHS)
    ends = measure(pair(client, server))
    own = connections(client.packets)
    plotting.write(client, own, tmp_path / "p", more=lambda series: delay_figures(ends, series))
    page = (tmp_path / "p" / "connection-0" / "index.html").read_text()

    assert (tmp_path / "p" / "connection-0" / "s2c-delay.svg").exists()
    assert page.count("One-way delay") >= 2


def test_without_a_clock_there_is_nothing_to_draw() -> None:
    client, _ = captures(TWO_PATHS)
    (connection,) = connections(client.packets)

    assert delay_figures(measure(()), series_of(client.packets, connection)) == ()
