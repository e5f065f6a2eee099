import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.crossed_headers import column, option
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.header_columns import DERIVED, OptionPlaces, option_places
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import Lane
from mptcp_check.model import Direction, Side
from pcap_frames import pcap_with, tcp_frame
from traces import captures

TEXT = """
    0.000 > SYN mpc => mss=1400
    0.020 < SYN/ACK mpc
    0.040 > ACK mpc
    0.050 > PSH data=100 dss => -dss
    0.051 > PSH data=100 => badsum
    0.070 < ACK
"""
MPTCP, MSS, TIMESTAMPS = 30, 2, 8


def lane_with(change: Callable[[Capture], dict[str, Any]] | None = None) -> Lane:
    client, server = captures(TEXT)
    if change is not None:
        packets = dataclasses.replace(server.packets, **change(server))
        server = dataclasses.replace(server, packets=packets)
    return pair(client, server)[0].subflows[0].lanes[Direction.C2S]


def test_a_field_is_given_before_and_after_the_way() -> None:
    found = column(lane_with(lambda server: {"ttl": server.packets.ttl - 9}), "ttl")

    assert found.before.tolist() == [64] * 4
    assert found.after.tolist() == [55] * 4
    assert found.differ.all()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("mss", [1460, -1, -1, -1], [1400, -1, -1, -1]),
        ("window_scale", [7, -1, -1, -1], [7, -1, -1, -1]),
        ("sack_permitted", [1, 0, 0, 0], [1, 0, 0, 0]),
        ("checksum_state", [1, 1, 1, 1], [1, 1, 1, 0]),
        ("dscp", [0] * 4, [11] * 4),
        ("ecn", [0] * 4, [2] * 4),
        ("reserved", [0] * 4, [5] * 4),
        ("urgent", [0] * 4, [3] * 4),
    ],
)
def test_derived_fields_are_those_of_the_header(
    name: str, before: list[int], after: list[int]
) -> None:
    def change(server: Capture) -> dict[str, Any]:
        packets = server.packets
        return {
            "tos": np.full_like(packets.tos, 11 << 2 | 2),
            "flags": packets.flags | 0xA00,
            "urgent": np.full_like(packets.urgent, 3),
        }

    found = column(lane_with(change), name)

    assert (found.before.tolist(), found.after.tolist()) == (before, after)


def test_only_the_segments_that_are_asked_for() -> None:
    lane = lane_with()
    syn = int(Flag.SYN)

    assert column(lane, "mss", flags=syn, mask=syn).before.tolist() == [1460]
    assert column(lane, "mss", flags=0, mask=syn).before.tolist() == [-1] * 3


def test_options_are_compared_byte_by_byte() -> None:
    lane = lane_with()
    mss, mptcp, stamps = (option(lane, kind) for kind in (MSS, MPTCP, TIMESTAMPS))

    assert mss.differ.tolist() == [True, False, False, False]
    assert (mss.before(0), mss.after(0), mss.after(1)) == (
        b"\x02\x04\x05\xb4", b"\x02\x04\x05\x78", b"",
    )  # fmt: skip
    assert mptcp.before_bytes.tolist() == [4, 20, 18, -1]
    assert mptcp.after_bytes.tolist() == [4, 20, -1, -1]
    assert not stamps.differ.any()


def test_one_end_alone_has_no_before_and_after() -> None:
    (alone,) = pair(captures(TEXT)[0], None)
    lane = alone.subflows[0].lanes[Direction.C2S]

    assert len(column(lane, "ttl").before) == len(option(lane, MSS).before_bytes) == 0
    assert option(lane, MSS).before(0) == option(lane, MSS).after(0) == b""


def test_a_field_that_does_not_exist_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError):
        column(lane_with(), "colour")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=10).map(lambda b: b * 4), min_size=1, max_size=5))
def test_any_option_list_can_be_searched(lists: list[bytes]) -> None:
    ends = ("192.0.2.1", 1), ("192.0.2.2", 2)
    frames = [tcp_frame(*ends, seq=1, ack=1, flags=0x10, options=o[:40]) for o in lists]
    capture = read(pcap_with(list(enumerate(frames))))
    table = HalfTable(capture, Side.CLIENT, [np.arange(len(capture.packets))], [-1])

    for kind in range(2, 256):
        places: OptionPlaces = option_places(table, kind)
        for at, size in zip(places.offset.tolist(), places.length.tolist(), strict=True):
            assert at == size == -1 or (capture.buffer[at], capture.buffer[at + 1]) == (kind, size)
    for read_field in DERIVED.values():
        assert len(read_field(table, table.rows)) == len(lists)
