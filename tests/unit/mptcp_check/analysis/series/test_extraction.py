"""Series of a connection: what was sent and why, windows, flight, round trips, rates, events."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.flows.connections import Kind, connections
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.options import tcp_options as tcp
from mptcp_check.analysis.options.mptcp_values import MpFastclose, MpPrio
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.rates import average_span_ns
from mptcp_check.analysis.series.values import EventKind, Sending
from segments import ACK, FIN, RST
from traced import MS, Traced, since_ms, strange, two_paths

GOLDEN = Path(__file__).parents[4] / "golden"
CAPTURES = sorted(GOLDEN.glob("**/*.pcap*"))
NEW, RETRANSMITTED, REINJECTED, REPEATED = (int(kind) for kind in Sending)


def test_each_piece_of_data_has_its_place_its_subflow_and_its_reason() -> None:
    sent = two_paths().direction().sent

    assert len(sent) == 5
    assert since_ms(sent.time_ns.tolist()) == [20, 30, 70, 170, 180]
    assert sent.start.tolist() == [1, 101, 301, 301, 101]
    assert sent.end.tolist() == [101, 301, 401, 401, 301]
    assert sent.subflow.tolist() == [0, 1, 0, 0, 0]
    assert sent.sending.tolist() == [NEW, NEW, NEW, RETRANSMITTED, REINJECTED]
    assert sent.fresh_bytes.tolist() == [100, 200, 100, 0, 0]


def test_data_sent_again_on_its_own_subflow_is_not_a_reinjection() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100)
    traced.send(30, first, 1, 100)

    assert traced.direction().sent.sending.tolist() == [NEW, REPEATED]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_series_add_up_to_the_metrics_which_are_computed_another_way(path: Path) -> None:
    capture = read(path.read_bytes())
    for connection, metrics in zip(
        connections(capture.packets), inspect(capture).connections, strict=True
    ):
        if connection.kind is not Kind.MPTCP:
            continue
        for direction in series_of(capture.packets, connection).directions:
            sent = direction.sent
            whole = metrics.c2s if direction.from_client else metrics.s2c
            parts = [s.c2s if direction.from_client else s.s2c for s in metrics.subflows]
            again = (sent.end - sent.start)[sent.sending == RETRANSMITTED]

            assert direction.data_bytes == whole.data_bytes
            assert int(again.sum()) == sum(part.retransmitted_bytes for part in parts)
            for series, part in zip(direction.subflows, parts, strict=True):
                assert int(series.flight.value.max(initial=0)) == part.flight_max_bytes
                assert len(series.rtt_acks) == part.rtt_acks.count
                if part.rtt_acks.count:
                    assert int(series.rtt_acks.value.min()) == part.rtt_acks.min_ns


def test_data_acks_move_the_window_and_never_its_right_edge_back() -> None:
    traced = two_paths()
    first = traced.talk.subflow(isn=(1000, 9000))
    first.sent = [401, 1]
    traced.acknowledge(220, first, 101, 401)  # an old DATA_ACK that was overtaken
    acks = traced.direction().acknowledged

    assert acks.data_ack.tolist() == [101, 401, 101]
    assert acks.advance_bytes.tolist() == [0, 300, 0]
    # no window scale in either SYN: the window is what the header says (RFC 7323, section 2.2)
    assert acks.right_edge.tolist() == [101 + 65535, 401 + 65535, 401 + 65535]


def test_flight_is_what_was_sent_and_not_acknowledged() -> None:
    direction = two_paths().direction()
    first, second = direction.subflows
    steps = dict(zip(since_ms(first.flight.time_ns.tolist()), first.flight.value, strict=True))

    assert [steps[t] for t in (20, 60, 70, 170, 180, 210)] == [100, 0, 100, 100, 300, 0]
    assert int(second.flight.value[-1]) == 200
    assert int(direction.flight.value.max()) == 500
    assert int(direction.flight.value[-1]) == 200
    assert int(direction.outstanding.value.max()) == 300
    assert int(direction.outstanding.value[-1]) == 0


def test_a_round_trip_is_not_taken_from_what_was_sent_twice() -> None:
    first = two_paths().direction().subflows[0]

    assert since_ms(first.rtt_acks.time_ns.tolist()) == [60]
    assert first.rtt_acks.value.tolist() == [40 * MS]
    assert first.ack_sizes.value.tolist() == [100, 300]


def test_the_first_echo_of_a_timestamp_ends_a_round_trip() -> None:
    traced = Traced()
    first, _ = traced.opened()
    for time_ms, end, value, echo, payload in (
        (20, 0, 700, 0, b"a"),
        (21, 0, 700, 0, b"b"),  # the clock ticks slowly: the first one counts
        (50, 1, 900, 700, b""),
        (60, 1, 901, 700, b""),
    ):
        first.send(end, ACK, [tcp.Timestamps(value=value, echo=echo)], payload)
        traced.at(time_ms)
    rtt = traced.direction().subflows[0].rtt_timestamps

    assert since_ms(rtt.time_ns.tolist()) == [50]
    assert rtt.value.tolist() == [30 * MS]


def test_goodput_counts_acknowledged_data_once() -> None:
    direction = two_paths().direction()
    span_s = direction.average_ns / 1e9
    moved = direction.goodput.value * span_s / 8

    assert direction.goodput_from_acks
    assert moved.max() == pytest.approx(300)
    assert direction.goodput.value[-1] == 0


def test_without_any_data_ack_goodput_is_new_data_sent() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100)
    direction = traced.direction()

    assert not direction.goodput_from_acks
    assert direction.goodput.value.max() == pytest.approx(100 * 8 / (direction.average_ns / 1e9))


@pytest.mark.parametrize(
    ("duration_ns", "span_ns"),
    [(0, MS), (40 * MS, MS), (1_000 * MS, 50 * MS), (3_000 * MS, 100 * MS), (10**12, 5 * 10**10)],
)
def test_averages_have_round_spans(duration_ns: int, span_ns: int) -> None:
    assert average_span_ns(duration_ns) == span_ns


def test_windows_are_scaled_as_both_syns_say_and_by_14_at_most() -> None:
    traced = two_paths()
    scales = (tcp.WindowScale(shift_count=7), tcp.WindowScale(shift_count=20))
    for place, scale in enumerate(scales):
        segment = traced.talk.segments[place]
        options = segment.options + tcp.encode([scale])
        traced.talk.segments[place] = replace(segment, options=options)

    assert traced.direction().acknowledged.right_edge.max() == 401 + (65535 << 14)


def test_an_ack_alone_is_not_answered_by_an_echo() -> None:
    """Nor says an echo anything of a timestamp that an ACK alone had first."""
    traced = Traced()
    first, _ = traced.opened()
    for time_ms, end, value, echo, payload in (
        (20, 0, 700, 0, b""),
        (25, 0, 700, 0, b"a"),
        (50, 1, 900, 700, b""),
        (60, 0, 701, 0, b"b"),
        (90, 1, 901, 701, b""),
    ):
        first.send(end, ACK, [tcp.Timestamps(value=value, echo=echo)], payload)
        traced.at(time_ms)

    assert traced.direction().subflows[0].rtt_timestamps.value.tolist() == [30 * MS]


def test_what_was_sent_twice_and_acknowledged_spoils_no_later_sample() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100)
    traced.send(120, first, 1, 100, again=1)
    traced.acknowledge(160, first, 101, 101)
    traced.send(170, first, 101, 100)
    traced.acknowledge(210, first, 201, 201)

    assert traced.direction().subflows[0].rtt_acks.value.tolist() == [40 * MS]


def test_events_tell_who_said_what_on_which_subflow() -> None:
    traced = Traced()
    first, second = traced.opened()
    second.send(1, ACK, [MpPrio(flags=1)])
    traced.at(30)
    first.send(0, RST | ACK, [MpFastclose(receiver_key=traced.talk.server_key)])
    traced.at(40)
    second.send(0, RST)
    traced.at(41)
    events = traced.series().events
    rows = zip(
        since_ms(events.time_ns.tolist()),
        [EventKind(kind).name for kind in events.kind.tolist()],
        events.subflow.tolist(),
        events.from_client.tolist(),
        events.detail.tolist(),
        strict=True,
    )

    assert list(rows) == [
        (0, "MP_CAPABLE", 0, True, -1),
        (10, "MP_JOIN", 1, True, 2),
        (30, "MP_PRIO", 1, False, 1),
        (40, "MP_FASTCLOSE", 0, True, -1),
        (40, "RST", 0, True, -1),
        (41, "RST", 1, True, -1),
    ]


KEY_ALTERED = {"mp_capable_key_altered": {False: 1}}
"""By the sender: numbers far from the IDSN, as the key it follows from was altered on its way."""


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_of_a_real_kernel_the_pieces_are_all_of_the_data(path: Path) -> None:
    packets = read(path.read_bytes()).packets
    for connection in connections(packets):
        if connection.kind is not Kind.MPTCP:
            continue
        for direction in series_of(packets, connection).directions:
            sent = direction.sent
            ranges = set()
            for start, end in zip(sent.start.tolist(), sent.end.tolist(), strict=True):
                ranges |= set(range(start, end))

            far = KEY_ALTERED.get(path.parent.name, {}).get(direction.from_client, 0)
            assert direction.implausible_count == far
            assert direction.data_bytes == len(ranges)
            assert (direction.outstanding.value >= 0).all()
            assert (direction.flight.value >= 0).all()
            for subflow in direction.subflows:
                assert (subflow.rtt_acks.value >= 0).all()
                assert (subflow.rtt_timestamps.value >= 0).all()


@given(strange())
def test_no_segments_are_too_strange(traced: Traced) -> None:
    for direction in traced.series().directions:
        sent = direction.sent
        assert (sent.fresh_bytes <= sent.end - sent.start).all()
        assert (sent.time_ns[1:] >= sent.time_ns[:-1]).all()
        assert direction.unmapped_bytes >= 0


@given(st.binary(max_size=40), st.integers(0, 10))
def test_no_options_are_too_strange(options: bytes, place: int) -> None:
    traced = two_paths()
    segments = [segment.packet() for segment in traced.talk.segments]
    changed = traced.talk.segments[place]
    segments[place] = type(changed)(
        source=changed.source,
        destination=changed.destination,
        seq=changed.seq,
        ack=changed.ack,
        flags=changed.flags | FIN,
        options=options,
        payload=changed.payload,
    ).packet()
    packets = read(cf.pcap(segments, link_type=RAW)).packets
    for connection in connections(packets):
        series_of(packets, connection)
