"""Where in the stream of a connection each piece of data lies, and which mapping says so."""

from dataclasses import replace

import pytest

from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.flows.connections import Kind, connections
from mptcp_check.analysis.options.mptcp_values import Dss, Mapping, MpPrio
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.values import EventKind, Sending
from segments import ACK, Talk
from traced import Traced, two_paths


def test_a_mapping_repeated_on_a_burst_counts_once() -> None:
    traced = Traced()
    first, _ = traced.opened()
    for number in range(4):  # Linux repeats it on each segment
        traced.send(20 + number, first, 1, 100, mapped=400, mapped_from=1)
    sent = traced.direction().sent

    assert sent.start.tolist() == [1, 101, 201, 301]
    assert sent.fresh_bytes.tolist() == [100, 100, 100, 100]


def test_one_mapping_covers_the_segments_after_it() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100, mapped=300)
    traced.unmapped(21, first, 100)
    traced.unmapped(22, first, 150)
    direction = traced.direction()

    assert direction.sent.start.tolist() == [1, 101, 201]
    assert direction.sent.end.tolist() == [101, 201, 301]
    assert direction.unmapped_bytes == 50


def test_an_infinite_mapping_covers_the_rest() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100)
    traced.send(21, first, 101, 50, mapped=0)
    traced.unmapped(22, first, 1000)
    series = traced.series()

    assert series.directions[0].sent.end.tolist() == [101, 151, 1151]
    assert EventKind.INFINITE_MAPPING in series.events.kind


@pytest.mark.parametrize("version", [0, 1])
def test_short_numbers_and_the_first_data_of_mp_capable_have_their_place(version: int) -> None:
    traced = Traced(talk=Talk(version=version))
    first = traced.talk.subflow()
    traced.talk.capable(first, first_data=b"x" * 10 if version else b"")
    traced.at(0)
    traced.send(20, first, 11, 100, short=True)
    direction = traced.direction()

    assert direction.origin_known
    assert direction.sent.end.tolist() == ([11, 111] if version else [111])


def test_without_keys_and_syns_places_count_from_the_first_number() -> None:
    traced = two_paths()
    whole = traced.direction()
    del traced.talk.segments[:6], traced.times_ms[:6]
    packets = traced.capture().packets
    first = connections(packets)[0]
    (part,) = (d for d in series_of(packets, first).directions if d.data_bytes)

    assert first.kind is Kind.MPTCP
    assert not part.origin_known
    assert part.sent.start.tolist() == [0, 300, 300, 100]
    assert part.unmapped_bytes == whole.unmapped_bytes == 0
    assert len(part.window) == 0


def test_one_way_alone_is_drawn_too() -> None:
    traced = two_paths()
    kept = [i for i, s in enumerate(traced.talk.segments) if s.destination[1] == 80]
    traced.talk.segments = [traced.talk.segments[i] for i in kept]
    traced.times_ms = [traced.times_ms[i] for i in kept]
    packets = traced.capture().packets
    directions = [d for c in connections(packets) for d in series_of(packets, c).directions]

    assert sum(direction.data_bytes for direction in directions) == 400
    assert not any(direction.goodput_from_acks for direction in directions)


def test_without_any_number_nothing_is_placed_and_all_is_counted() -> None:
    traced = Traced()
    first = traced.talk.capable(traced.talk.subflow())
    first.send(0, ACK, [MpPrio(flags=0)])
    traced.unmapped(20, first, 100)
    del traced.talk.segments[:3], traced.times_ms[:3]
    packets = traced.capture().packets
    (direction,) = series_of(packets, connections(packets)[0]).directions

    assert (direction.data_bytes, direction.unmapped_bytes) == (0, 100)


def test_the_first_byte_follows_the_syn_even_if_the_syn_carries_it() -> None:
    traced = two_paths()
    traced.talk.segments[0] = replace(traced.talk.segments[0], payload=bytes(100))
    sent = traced.direction().sent

    assert (sent.start[0], sent.end[0]) == (1, 101)
    assert sent.sending.tolist()[:2] == [Sending.NEW, Sending.RETRANSMITTED]


def test_the_commonest_difference_tells_where_a_subflow_began() -> None:
    traced = Traced()
    first, _ = traced.opened()
    for burst in range(3):
        for number in range(2 - burst // 2):
            place = 1 + 200 * burst + 100 * number
            traced.send(20, first, 1 + 200 * burst, 100, mapped=200, mapped_from=1 + 200 * burst)
            assert first.sent[0] == place + 100
    del traced.talk.segments[:6], traced.times_ms[:6]
    sent = traced.direction().sent

    assert sent.start.tolist() == [0, 100, 200, 300, 400]


def test_a_data_fin_is_no_byte() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.talk.data(first, 0, bytes(100), fin=True)
    traced.at(20)
    traced.unmapped(21, first, 10)
    direction = traced.direction()

    assert (direction.data_bytes, direction.unmapped_bytes) == (100, 10)


def test_a_mapping_that_grew_covers_what_it_grew_by() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100, mapped=100)
    traced.send(21, first, 1, 100, mapped=300, again=1)
    traced.unmapped(22, first, 200)

    assert traced.direction().sent.end.tolist() == [101, 101, 301]


def test_an_infinite_mapping_with_flag_f_is_no_data_fin() -> None:
    traced = Traced()
    first, _ = traced.opened()
    flags = DssFlag.MAPPING | DssFlag.DSN_64 | DssFlag.DATA_FIN
    first.send(
        0,
        ACK,
        [Dss(flags=int(flags), mapping=Mapping(dsn=1, ssn=1, data_length_bytes=0))],
        b"x",
    )
    traced.at(20)
    kinds = traced.series().events.kind

    assert EventKind.INFINITE_MAPPING in kinds
    assert EventKind.DATA_FIN not in kinds


def test_the_first_number_of_64_bits_is_the_origin_where_no_key_is_known() -> None:
    traced = Traced()
    first, _ = traced.opened()
    traced.send(20, first, 1, 100, short=True)
    traced.send(21, first, 101, 100)
    del traced.talk.segments[:6], traced.times_ms[:6]

    assert traced.direction().sent.start.tolist() == [-100, 0]


def test_a_number_from_nowhere_is_left_out_and_counted() -> None:
    traced = two_paths()
    first = traced.talk.subflow(isn=(1000, 9000))
    first.sent = [401, 1]
    traced.send(230, first, 1 << 50, 10)
    direction = traced.direction()

    assert direction.implausible_count == 1
    assert direction.unmapped_bytes == 10
    assert int(direction.sent.end.max()) == 401
