import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.pairing.alignment import cross
from mptcp_check.analysis.pairing.halves import half
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import ClockOffset, Lane, MatchedBy
from mptcp_check.model import Side
from traces import Path, captures, finding_lane

RETRIES = """
    0.000 > SYN mpc => lost
    1.000 > SYN mpc
    2.000 > SYN
    2.020 < SYN/ACK
"""
ALIKE = "nots id=9"


def test_retransmissions_are_told_apart_by_what_stays_on_the_way() -> None:
    (connection,) = pair(*captures(RETRIES))
    syns = connection.subflows[0].handshake.syns

    assert [(c.sent, c.received, c.by) for c in syns.arrived] == [
        (1, 0, MatchedBy.FIELDS),
        (2, 1, MatchedBy.FIELDS),
    ]
    assert syns.vanished == (0,)
    assert syns.appeared == ()


def test_copies_that_nothing_tells_apart_are_matched_by_the_clocks() -> None:
    lane = finding_lane(RETRIES.replace("> SYN mpc", f"> SYN mpc {ALIKE}"))
    clock = ClockOffset(low_ns=2_990_000_000, high_ns=3_010_000_000)

    by_time = cross(lane, [0, 1], [0], clock)
    by_order = cross(lane, [0, 1], [0], None)

    assert [(c.sent, c.by) for c in by_time.arrived] == [(1, MatchedBy.TIME)]
    assert by_time.vanished == (0,)
    assert [(c.sent, c.by) for c in by_order.arrived] == [(0, MatchedBy.ORDER)]


def test_a_segment_cannot_arrive_before_it_was_sent() -> None:
    lane = finding_lane(RETRIES.replace("> SYN mpc", f"> SYN mpc {ALIKE}"))
    future = ClockOffset(low_ns=10**12, high_ns=10**12)

    found = cross(lane, [0, 1], [0], future)

    assert (found.arrived, found.appeared) == ((), (0,))


def test_the_only_copies_are_doubted_where_both_fields_differ() -> None:
    alone = finding_lane("0.000 > SYN mpc => tsval=9\n0.020 < SYN/ACK")
    other = finding_lane("0.000 > SYN mpc => tsval=9 id=77\n0.020 < SYN/ACK")

    assert cross(alone, [0], [0], None).arrived[0].by is MatchedBy.ALONE
    assert cross(other, [0], [0], None).arrived[0].by is MatchedBy.ORDER


def test_without_one_of_the_halves_everything_vanished_or_appeared() -> None:
    lane = finding_lane(RETRIES)

    assert cross(_without(lane, "received"), [0, 1], [], None).vanished == (0, 1)
    assert cross(_without(lane, "sent"), [], [0, 1], None).appeared == (0, 1)


@pytest.mark.parametrize(
    ("sender", "sent_ns", "received_ns", "possible"),
    [
        (Side.CLIENT, 0, 10, True),
        (Side.CLIENT, 0, 9, False),
        (Side.SERVER, 20, 0, True),
        (Side.SERVER, 21, 0, False),
    ],
)
def test_bounds_of_the_clocks_are_used_the_safe_way(
    sender: Side, sent_ns: int, received_ns: int, *, possible: bool
) -> None:
    clock = ClockOffset(low_ns=10, high_ns=20)

    assert clock.sent_before(sent_ns, sender, received_ns) is possible
    assert clock.middle_ns == 15


def test_places_count_from_the_syn_and_not_from_the_sequence_number() -> None:
    lane = finding_lane(
        "0.000 > SYN\n0.020 < SYN/ACK\n0.040 > ACK\n0.041 > PSH data=100\n0.042 > PSH data=50",
        Path(isn_shift={"0": ((1 << 32) - 100, 0)}),
    )

    assert lane.sent is not None
    assert lane.received is not None
    assert lane.sent.starts.tolist() == lane.received.starts.tolist() == [0, 0, 0, 100]


@settings(deadline=None)
@given(st.permutations(range(4)))
def test_rows_are_put_in_the_order_of_time(order: list[int]) -> None:
    lane = finding_lane(
        "0.000 > SYN\n0.020 < SYN/ACK\n0.040 > ACK\n0.041 > PSH data=100\n0.042 > PSH data=50"
    )
    known = lane.sent
    assert known is not None

    again = half(known.capture, known.side, known.rows[order], known.isn)

    assert again.rows.tolist() == known.rows.tolist()


def test_streams_beyond_half_the_sequence_space_keep_their_places() -> None:
    """A transfer of 6 GiB: the numbers wrap, the places go on; a stray RST moves nothing."""
    lane = finding_lane(
        "0.000 > SYN\n0.020 < SYN/ACK\n"
        + "".join(f"0.{40 + n} > PSH data=10 at={n * 10}\n" for n in range(7))
        + "0.060 > RST\n"
    )
    known = lane.sent
    assert known is not None
    assert known.isn is not None
    packets = known.capture.packets
    gib = 1 << 30
    seq, payload = packets.seq.copy(), packets.payload_bytes.copy()
    for number, row in enumerate(known.rows[1:8]):
        seq[row] = (known.isn + 1 + number * gib) & 0xFFFFFFFF
        payload[row] = gib
    seq[known.rows[8]] = 5
    large = dataclasses.replace(packets, seq=seq, payload_bytes=payload)
    capture = dataclasses.replace(known.capture, packets=large)

    places = half(capture, known.side, known.rows, known.isn).starts

    assert places[1:8].tolist() == [n * gib for n in range(7)]


def _without(lane: Lane, end: str) -> Lane:
    return dataclasses.replace(lane, **{end: None})
