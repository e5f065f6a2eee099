"""Tables grow when they are full, to a bound, and what is in them stays."""

from pathlib import Path

import pytest

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows import grouping, handshakes
from mptcp_check.analysis.metrics import state
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.state_tables import BLOCK_WORDS, LARGEST_CLASS, ROOM_WORDS
from mptcp_check.analysis.metrics.tracking import Tracker
from segments import ACK, CLIENT_2, Segment, Talk

KERNEL = (Path(__file__).parents[4] / "golden" / "captures" / "kernel_v1.pcapng").read_bytes()


def crowd(count: int) -> bytes:
    """Connections with two subflows each, and data on both."""
    frames = []
    for number in range(count):
        talk = Talk(client_key=2 * number + 1, server_key=2 * number + 2)
        ends = f"10.1.{number // 200}.{number % 200}"
        first = talk.capable(talk.subflow((ends, 40_000)), first_data=b"hello")
        second = talk.join(talk.subflow((CLIENT_2[0], 1000 + number), isn=(70_000, 80_000)))
        talk.data(first, 1, b"world")
        talk.data(second, 0, b"again")
        frames += talk.packets()
    return cf.pcap(frames, link_type=RAW)


@pytest.mark.parametrize("octets", [KERNEL, crowd(60)], ids=["kernel", "crowd"])
def test_tables_that_begin_small_hold_the_same(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = inspect(read(octets))
    monkeypatch.setattr(state, "FIRST_DIRECTIONS", 2)
    monkeypatch.setattr(state, "CELL_SLOTS", 4)
    monkeypatch.setattr(state, "ARENA_WORDS", ROOM_WORDS + 1)
    monkeypatch.setattr(grouping, "FIRST_SLOTS", 4)
    monkeypatch.setattr(handshakes, "FIRST_OPTIONS", 1)
    found = inspect(read(octets))

    assert tuple(found.connections) == tuple(expected.connections)
    assert found.totals == expected.totals


def test_more_options_than_a_table_has_room_for_find_their_connections() -> None:
    found = inspect(read(crowd(150)))

    assert len(found.connections) == 150
    assert found.totals.mp_capable_established == found.totals.join_complete == 150
    assert found.totals.hmac_ok == 300
    assert {len(connection.subflows) for connection in found.connections} == {2}


def test_holes_without_end_take_no_more_than_the_largest_block_of_each_set() -> None:
    talk = Talk()
    flow = talk.capable(talk.subflow())
    talk.data(flow, 0, b"x")
    first = talk.segments[-1]
    largest = BLOCK_WORDS << LARGEST_CLASS
    talk.segments += [
        Segment(seq=first.seq + 2 * hole, ack=first.ack, flags=ACK, payload=b"x")
        for hole in range(1, 2 * largest)
    ]
    packets = read(cf.pcap(talk.packets(), link_type=RAW)).packets
    tracker = Tracker()
    tracker.take(packets)
    before = len(tracker.state._arena)
    tracker.take(packets)

    assert len(tracker.state._arena) == before < 16 * ROOM_WORDS
