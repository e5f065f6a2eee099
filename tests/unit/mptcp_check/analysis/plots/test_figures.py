import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.flows.connections import Kind, connections
from mptcp_check.analysis.options.mptcp_values import MpFastclose, MpPrio
from mptcp_check.analysis.plots import style, svg
from mptcp_check.analysis.plots.figures import figures_of
from mptcp_check.analysis.plots.svg_text import clean, text
from mptcp_check.analysis.series.extraction import series_of
from segments import ACK, RST
from traced import Traced, strange, two_paths

GOLDEN = Path(__file__).parents[4] / "golden" / "captures" / "kernel_v1.pcapng"
SVG = "{http://www.w3.org/2000/svg}"
KINDS = ["sequence", "window", "goodput", "rtt", "acks"]


def drawn(traced: Traced) -> dict[str, str]:
    return {figure.id: svg.render(figure) for figure in figures_of(traced.series())}


def words(document: str) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(document).iter(f"{SVG}text")]  # noqa: S314 - our own


def test_each_direction_with_data_has_its_five_plots() -> None:
    assert list(drawn(two_paths())) == [f"c2s-{kind}" for kind in KINDS]


def test_the_legend_names_the_endpoints_and_counts_what_was_sent_again() -> None:
    found = words(drawn(two_paths())["c2s-sequence"])

    assert "Connection 0, client to server: 10.0.0.1:40000 to 10.0.0.2:80" in found
    assert "subflow 0: 10.0.0.1:40000 \u2013 10.0.0.2:80" in found
    assert "subflow 1: 10.0.1.1:40001 \u2013 10.0.0.2:80" in found
    assert "subflow 0: sent again by TCP (1 segments)" in found
    assert "subflow 0: reinjected (1 segments)" in found
    assert "data sequence number from the IDSN (B)" in found


def test_a_name_that_stands_close_by_already_is_not_written_again() -> None:
    traced = two_paths()
    first = traced.talk.subflow(isn=(1000, 9000))
    for time_ms in (250, 255, 290):
        first.send(0, ACK, [MpPrio(flags=1)])
        traced.at(time_ms)
    document = drawn(traced)["c2s-rtt"]

    assert words(document).count("MP_PRIO backup · 0→") == 2
    assert document.count('stroke-dasharray="1 3"') == 5


def test_a_window_far_above_the_data_leaves_the_axis_and_says_so() -> None:
    found = words(drawn(two_paths())["c2s-sequence"])

    assert "right edge of the receive window goes beyond the axis, up to 65.9 kB" in found


def test_a_window_near_the_data_is_drawn_whole() -> None:
    traced = Traced()
    first, _ = traced.opened()
    for place in (1, 20_001, 40_001):
        traced.send(20, first, place, 20_000)
    traced.acknowledge(40, first, 20_001, 20_001)
    (figure, *_) = figures_of(traced.series())

    assert figure.notes == ()
    assert figure.y_max > 20_001 + 65_535


def test_seven_subflows_have_seven_colours_markers_and_dashes() -> None:
    traced = Traced()
    traced.opened()
    for number in range(2, 7):
        own = traced.talk.subflow(client=(f"10.0.{number}.1", 40_000), isn=(number, number))
        traced.talk.join(own)
        traced.send(20 + number, own, number * 100, 100)
    lines = [style.line(number) for number in range(7)]
    document = drawn(traced)["c2s-sequence"]

    assert len({style.colour(number) for number in range(7)}) == 7
    assert len({style.marker(number) for number in range(7)}) == 7
    assert len({(ink.colour, ink.dash) for ink in lines}) == 7
    assert len({(style.colour(n), style.marker(n)) for n in range(49)}) == 49
    assert sum(line.startswith("subflow ") for line in words(document)) == 5
    assert ET.fromstring(document)  # noqa: S314 - our own


def test_without_a_handshake_there_is_no_event_and_still_a_plot() -> None:
    traced = two_paths()
    del traced.talk.segments[:6], traced.times_ms[:6]
    packets = traced.capture().packets
    (figure, *_) = figures_of(series_of(packets, connections(packets)[0]))

    assert figure.marks == ()
    assert "data sequence number from the first one seen (B)" in words(svg.render(figure))


@given(strange())
def test_no_connection_is_too_strange_to_draw(traced: Traced) -> None:
    for document in drawn(traced).values():
        assert not re.search(r"\bnan\b|\binf\b", document)
        ET.fromstring(document)  # noqa: S314 - our own


def test_every_event_is_marked_and_a_burst_counted() -> None:
    traced = two_paths()
    first = traced.talk.subflow(isn=(1000, 9000))
    for _ in range(5):
        first.send(0, RST | ACK, [MpFastclose(receiver_key=traced.talk.server_key)])
    traced.at(300)
    (figure, *_) = figures_of(traced.series())

    assert [(mark.label, mark.count) for mark in figure.marks] == [
        ("MP_CAPABLE · 0→", 1),
        ("MP_JOIN · 1→", 1),
        ("MP_FASTCLOSE · 0→", 5),
        ("RST · 0→", 5),
    ]


def test_what_has_no_mapping_and_what_is_out_of_place_is_said() -> None:
    traced = two_paths()
    first = traced.talk.subflow(isn=(1000, 9000))
    first.sent = [401, 1]
    traced.unmapped(220, first, 5000)
    traced.send(230, first, 1 << 50, 10)
    found = words(drawn(traced)["c2s-sequence"])

    assert "5.01 kB of payload have no mapping and are not drawn" in found
    assert "1 numbers more than 4 GiB away from their neighbours are not drawn" in found


def test_many_points_become_a_small_picture_that_says_so() -> None:
    traced = Traced()
    first, _ = traced.opened()
    for number in range(1_500):
        traced.send(20 + number / 1000, first, 1 + number, 1)
    sequence = drawn(traced)["c2s-sequence"]
    assert len(sequence) < 30_000
    assert any(re.match(r"drawn: [\d,]+ of 1,500 points", line) for line in words(sequence))


def of_kernel() -> list[str]:
    packets = read(GOLDEN.read_bytes()).packets
    return [
        svg.render(figure)
        for connection in connections(packets)
        if connection.kind is Kind.MPTCP
        for figure in figures_of(series_of(packets, connection))
    ]


@pytest.mark.parametrize("make", [of_kernel, lambda: list(drawn(two_paths()).values())])
def test_drawings_are_xml_without_a_bad_number_or_an_address_and_always_the_same(
    make: object,
) -> None:
    assert callable(make)
    documents = make()

    assert documents == make()
    for document in documents:
        root = ET.fromstring(document)  # noqa: S314 - our own
        assert root.tag == f"{SVG}svg"
        for element in root.iter():
            assert element.tag.removeprefix(SVG) in {
                "svg", "title", "rect", "text", "path", "clipPath", "g",
            }  # fmt: skip
            for name, value in element.attrib.items():
                assert not re.search(r"nan|inf", value, re.IGNORECASE), value
                assert name not in {"href", "style"}
        assert document.count("http") == 1, "the namespace is the only address"


@pytest.mark.parametrize(
    "words_", ["<script>", 'a" onload="x', "a&b", "\x00\x1b[2J", "\udcff", "]]>"]
)
def test_hostile_words_stay_words(words_: str) -> None:
    root = ET.fromstring(f'<svg title="{text(words_)}">{text(words_)}</svg>')  # noqa: S314 - our own

    assert root.text == root.attrib["title"] == clean(words_)
    assert not list(root)
    clean(words_).encode()
