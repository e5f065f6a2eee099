import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capture_files as cf
import tshark_oracle
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.connections import Kind
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.inspector import Inspector
from mptcp_check.analysis.metrics.values import Inspection
from segments import ACK, CLIENT_2, CLIENT_KEY, PSH, SYN, Segment, Talk
from wire_frames import words_sum

GOLDEN = Path(__file__).parents[4] / "golden" / "captures"
KERNEL = (GOLDEN / "kernel_v1.pcapng").read_bytes()
COOKED = (GOLDEN / "kernel_v1_cooked.pcap").read_bytes()


def inspected(talk: Talk, times_ns: list[int] | None = None) -> Inspection:
    return inspect(read(cf.pcap(talk.packets(), link_type=RAW, times_ns=times_ns)))


def streamed(octets: bytes, size: int) -> Inspection:
    inspector = Inspector()
    at, wanted = 0, size
    while True:
        last = at + wanted >= len(octets)
        taken = inspector.feed(octets[at : at + wanted], last=last)
        at += taken
        if last or inspector.broken:
            return inspector.finish()
        wanted = size if taken else 2 * wanted


@pytest.mark.parametrize("octets", [KERNEL, COOKED], ids=["pcapng", "pcap"])
@given(st.integers(1, 5000))
@settings(deadline=None, max_examples=25)
def test_blocks_of_any_size_give_what_the_whole_file_gives(octets: bytes, size: int) -> None:
    whole, parts = inspect(read(octets)), streamed(octets, size)

    assert parts.totals == whole.totals
    assert parts.packets_count == whole.packets_count
    assert tuple(parts.connections) == tuple(whole.connections)
    assert parts.problems == whole.problems


@given(
    st.lists(st.tuples(st.integers(0, len(KERNEL) - 1), st.integers(0, 255)), max_size=20),
    st.integers(0, len(KERNEL)),
)
@settings(deadline=None)
def test_damage_anywhere_never_raises(damage: list[tuple[int, int]], cut: int) -> None:
    octets = bytearray(KERNEL)
    for place, value in damage:
        octets[place] = value
    found = streamed(bytes(octets[:cut]), 3000)

    assert (
        sum(
            s.c2s.packets_count + s.s2c.packets_count for c in found.connections for s in c.subflows
        )
        == found.totals.tcp_packets
    )


def test_what_is_no_capture_has_a_problem_and_no_format() -> None:
    for octets in (b"", b"\x0a", b"hello, world", b"\x1f\x8b\x08\x00"):
        found = streamed(octets, 64)
        assert (found.format, len(found.problems), len(found.connections)) == ("", 1, 0)


def test_a_mapping_repeated_on_the_segments_of_a_burst_counts_once() -> None:
    talk = Talk()
    flow = talk.capable(talk.subflow())
    talk.data(flow, 0, bytes(300))
    first = talk.segments.pop()
    for at in range(0, 300, 100):
        piece = Segment(
            seq=first.seq + at,
            ack=first.ack,
            flags=ACK,
            options=first.options,
            payload=bytes(100),
        )
        talk.segments.append(piece)
    (one,) = inspected(talk).connections

    assert one.c2s.data_bytes == 300
    assert one.subflows[0].c2s.mapping_count == 1
    assert (one.c2s.duplicate_bytes, one.c2s.reinjected_bytes) == (0, 0)
    assert one.subflows[0].c2s.unique_bytes == 300


def test_data_sent_again_on_another_subflow_is_reinjected_there() -> None:
    talk = Talk()
    first = talk.capable(talk.subflow())
    second = talk.join(talk.subflow(client=CLIENT_2, isn=(5000, 7000)))
    talk.data(first, 0, bytes(1000))
    talk.data_sent[0] = 400
    talk.data(second, 0, bytes(900))
    (one,) = inspected(talk).connections

    assert one.kind is Kind.MPTCP
    assert one.c2s.data_bytes == 1300
    assert (one.c2s.duplicate_bytes, one.c2s.reinjected_bytes) == (600, 600)
    initial, join = one.subflows
    assert (initial.c2s.reinjected_bytes, join.c2s.reinjected_bytes) == (0, 600)
    assert (initial.c2s.mapped_bytes, join.c2s.mapped_bytes) == (1000, 900)
    assert initial.c2s.data_share == pytest.approx(1000 / 1300)


def test_the_data_fin_is_no_data_and_the_first_data_of_mp_capable_is() -> None:
    talk = Talk()
    flow = talk.capable(talk.subflow(), first_data=b"hello")
    talk.data(flow, 0, b"again")
    talk.data(flow, 0, b"", fin=True)
    (one,) = inspected(talk).connections

    assert one.c2s.data_bytes == 10
    assert one.c2s.missing_bytes == 0


def test_data_waits_for_what_comes_late_on_the_other_subflow() -> None:
    talk = Talk()
    first = talk.capable(talk.subflow())
    second = talk.join(talk.subflow(client=CLIENT_2, isn=(5000, 7000)))
    talk.data_sent[0] = 500
    talk.data(first, 0, bytes(500))
    talk.data_sent[0] = 0
    talk.data(first, 0, bytes(100))
    talk.data_sent[0] = 100
    talk.data(second, 0, bytes(400))
    times = [1_000_000 * place for place in range(len(talk.segments))]
    (one,) = inspected(talk, times).connections

    assert one.c2s.data_bytes == 1000
    assert one.c2s.out_of_order_count == 2
    assert one.c2s.head_of_line_max_ns == 2_000_000
    assert one.c2s.missing_bytes == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_checksum_is_judged_when_all_of_its_mapping_was_there(
    order: tuple[int, ...],
    wrong: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """RFC 8684, section 3.3.1: over pseudo-header and payload, wherever segments cut it."""
    payload = bytes(range(1, 200))
    dsn = crypto.initial_data_sequence_number(CLIENT_KEY, 1) + 1 & 0xFFFF_FFFF_FFFF_FFFF
    pseudo = struct.pack(">QIHH", dsn, 1, len(payload), 0)
    checksum = 0xFFFF - words_sum(pseudo + payload + b"\0")
    option = b"\x1e\x14\x20\x0c" + struct.pack(">QIHH", dsn, 1, len(payload), checksum ^ int(wrong))
    talk = Talk(checksum=True)
    talk.capable(talk.subflow())
    cuts = (0, 67, 130, len(payload))
    pieces = [
        Segment(seq=1001 + low, ack=9001, options=option, payload=payload[low:high])
        for low, high in pairwise(cuts)
    ]
    talk.segments += [pieces[place] for place in order]
    talk.segments.append(pieces[0])
    (one,) = inspected(talk).connections

    sent = one.subflows[0].c2s
    assert (sent.dss_checksum_ok_count, sent.dss_checksum_bad_count) == (not wrong, wrong)
    assert sent.dss_checksum_unknown_count == 0
    assert sent.retransmitted_count == 1


def test_a_round_trip_is_timed_from_a_segment_to_the_ack_that_names_its_last_byte() -> None:
    talk = Talk()
    flow = talk.subflow()
    flow.send(0, SYN)
    flow.send(1, SYN | ACK)
    flow.send(0, ACK)
    times = [0, 10, 20]
    for number in range(10):
        flow.send(0, ACK | PSH, payload=bytes(100))
        flow.send(1, ACK)
        times += [1000 * number + 1000, 1000 * number + 1000 + 10 * (number + 1)]
    (one,) = inspected(talk, times).connections
    round_trips = one.subflows[0].c2s.rtt_acks

    assert one.kind is Kind.TCP
    assert (round_trips.count, round_trips.min_ns) == (10, 10)
    assert round_trips.median_ns == pytest.approx(50, rel=1 / 64)
    assert round_trips.p95_ns == pytest.approx(100, rel=1 / 64)
    assert one.c2s.data_bytes == 1000


def test_retransmitted_segments_are_counted_and_not_timed() -> None:
    talk = Talk()
    flow = talk.subflow()
    flow.send(0, SYN)
    flow.send(1, SYN | ACK)
    flow.send(0, ACK)
    flow.send(0, ACK | PSH, payload=bytes(100))
    flow.again()
    flow.send(1, ACK)
    (one,) = inspected(talk).connections
    sent = one.subflows[0].c2s

    assert (sent.retransmitted_count, sent.retransmitted_bytes) == (1, 100)
    assert (sent.unique_bytes, sent.payload_bytes) == (100, 200)
    assert sent.rtt_acks.count == 0


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_tshark_counts_the_same(path: Path) -> None:
    rows = tshark_oracle.fields(
        path, "tcp.len", "tcp.flags.reset", "tcp.options.mptcp.subtype", "tcp.window_size_value"
    )
    found = inspect(read(path.read_bytes()))
    ways = [way for c in found.connections for s in c.subflows for way in (s.c2s, s.s2c)]
    subtypes = [int(value, 0) for row in rows for value in row["tcp.options.mptcp.subtype"]]

    assert found.totals.tcp_packets == len(rows)
    assert sum(way.payload_bytes for way in ways) == sum(int(row["tcp.len"][0]) for row in rows)
    resets = sum(row["tcp.flags.reset"][0] in {"1", "True"} for row in rows)
    assert found.totals.rst_packets == resets
    assert found.totals.options["DSS"] == subtypes.count(2)
    assert found.totals.options["MP_JOIN"] == subtypes.count(1)
    assert found.totals.hmac_bad == 0
    assert found.totals.hmac_ok > 0
