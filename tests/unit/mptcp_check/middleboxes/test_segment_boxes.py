import pytest

from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.middleboxes.segments_coalesced import OptionOf, SegmentsCoalesced
from mptcp_check.middleboxes.segments_coalesced import Parameters as Coalesced
from mptcp_check.middleboxes.segments_split import OptionPlace, SegmentsSplit
from mptcp_check.middleboxes.segments_split import Parameters as Split
from mptcp_check.middleboxes.sequence_numbers_rewritten import Parameters as Rewritten
from mptcp_check.middleboxes.sequence_numbers_rewritten import SequenceNumbersRewritten
from mptcp_check.model import Direction
from tcp_model import sack_blocks
from wire_frames import DSS, MSS, RST, SYN, SYN_ACK, TIMESTAMPS, parts, problems, tcp_frame

C2S, S2C = Direction.C2S, Direction.S2C
MS = 1_000_000
PSH_ACK, FIN_ACK = 0x18, 0x11


def number(frame: bytes) -> int:
    return int.from_bytes(frame[38:42], "big")


def flags(frame: bytes) -> int:
    return frame[47]


def through(box: Behaviour, frame: bytes, way: Direction = C2S) -> list[bytes]:
    frames = [emission.frame for emission in box.on_frame(frame, way, 0)]
    assert [problem for each in frames for problem in problems(each)] == []
    return frames


@pytest.mark.parametrize(
    ("place", "carriers"),
    [
        (OptionPlace.COPIED, [True, True, True]),
        (OptionPlace.FIRST, [True, False, False]),
        (OptionPlace.LAST, [False, False, True]),
    ],
)
def test_a_long_segment_becomes_pieces_with_the_mptcp_option_where_it_was_wanted(
    place: OptionPlace, carriers: list[bool]
) -> None:
    payload = bytes(range(250))
    frame = tcp_frame(payload=payload, sequence=7, flags=0x19, options=TIMESTAMPS + DSS)
    box = SegmentsSplit(Split(max_payload_bytes=100, options=place))

    pieces = through(box, frame)

    assert [parts(piece)[1] for piece in pieces] == [payload[:100], payload[100:200], payload[200:]]
    assert [number(piece) for piece in pieces] == [7, 107, 207]
    assert [DSS in parts(piece)[0] for piece in pieces] == carriers
    assert all(TIMESTAMPS in parts(piece)[0] for piece in pieces)
    assert [flags(piece) for piece in pieces] == [0x10, 0x10, 0x19]
    assert box.acted_count == 1


@pytest.mark.parametrize("flag", [SYN, RST, 0x10])
def test_what_is_short_or_opens_or_resets_is_not_split(flag: int) -> None:
    payload = bytes(100 if flag == 0x10 else 300)
    frame = tcp_frame(flags=flag, payload=payload)

    assert through(SegmentsSplit(Split(max_payload_bytes=100)), frame) == [frame]


@pytest.mark.parametrize(("options", "kept"), [(OptionOf.FIRST, DSS), (OptionOf.LAST, TIMESTAMPS)])
def test_two_segments_in_order_become_one_with_the_options_of_one(
    options: OptionOf, kept: bytes
) -> None:
    box = SegmentsCoalesced(Coalesced(options=options))
    first = tcp_frame(sequence=100, payload=b"ab", options=DSS, flags=PSH_ACK)
    second = tcp_frame(sequence=102, payload=b"cd", options=TIMESTAMPS)

    assert through(box, first) == []
    (merged,) = through(box, second)

    assert kept in parts(merged)[0]
    assert parts(merged)[1] == b"abcd"
    assert number(merged) == 100
    assert flags(merged) == PSH_ACK
    assert box.acted_count == 1
    assert box.next_due_ns() is None


def test_a_held_segment_leaves_as_it_is_when_no_other_comes_in_time() -> None:
    box = SegmentsCoalesced(Coalesced(hold_ns=5 * MS))
    chain = Chain([box])
    frame = tcp_frame(payload=b"ab")

    assert chain.push(frame, C2S, 0) == []
    assert chain.next_due_ns() == 5 * MS
    (emission,) = chain.poll(9 * MS)

    assert (emission.frame, emission.at_ns) == (frame, 5 * MS)
    assert box.acted_count == 0
    assert chain.next_due_ns() is None


@pytest.mark.parametrize(
    "other",
    [
        tcp_frame(sequence=103, payload=b"cd"),
        tcp_frame(sequence=100, payload=b"ab"),
        tcp_frame(sequence=102, flags=FIN_ACK),
        tcp_frame(sequence=102),
        tcp_frame(sequence=102, payload=bytes(1400)),
    ],
)
def test_what_does_not_continue_a_held_segment_comes_out_behind_it(other: bytes) -> None:
    chain = Chain([SegmentsCoalesced()])
    first = tcp_frame(sequence=100, payload=b"ab")

    out = [*chain.push(first, C2S, 0), *chain.push(other, C2S, 1), *chain.poll(10 * MS)]

    assert [emission.frame for emission in out] == [first, other]


def test_it_begins_after_so_many_segments_and_lowers_the_maximum_segment_size() -> None:
    box = SegmentsCoalesced(Coalesced(skip_count=1, mss_bytes=700))

    (syn,) = through(box, tcp_frame(flags=SYN, options=MSS))

    assert parts(syn)[0] == bytes.fromhex("020402bc")
    assert len(through(box, tcp_frame(sequence=1, payload=b"a"))) == 1
    assert through(box, tcp_frame(sequence=2, payload=b"b")) == []


def test_held_bytes_of_forgotten_connections_do_not_pile_up() -> None:
    box = SegmentsCoalesced()
    for port in range(1, 5000):
        through(box, tcp_frame(payload=b"a", ports=(port, 80)))

    assert len(box._connections) == 4096
    assert len(box.on_time(10**9)) == 4096


def test_numbers_and_acknowledgments_and_blocks_move_by_the_constants_from_the_syn_on() -> None:
    box = SequenceNumbersRewritten(Rewritten(c2s_offset=1000, s2c_offset=2**32 - 7))
    blocks = b"\x01\x01\x05\x0a" + (5).to_bytes(4, "big") + (9).to_bytes(4, "big")

    (syn,) = through(box, tcp_frame(flags=SYN, sequence=2**32 - 1))
    (syn_ack,) = through(box, tcp_frame(flags=SYN_ACK, sequence=5, from_client=False), S2C)
    (data,) = through(box, tcp_frame(sequence=4, payload=b"x", options=blocks))

    assert number(syn) == 999
    assert number(syn_ack) == 2**32 - 2
    assert int.from_bytes(syn_ack[42:46], "big") == (77 - 1000) % 2**32
    assert number(data) == 1004
    assert int.from_bytes(data[42:46], "big") == 84
    assert list(sack_blocks(parts(data)[0])) == [(12, 16)]


def test_an_old_firewall_forgets_the_blocks() -> None:
    box = SequenceNumbersRewritten(Rewritten(sack_translated=False))
    blocks = b"\x01\x01\x05\x0a" + (5).to_bytes(4, "big") + (9).to_bytes(4, "big")
    through(box, tcp_frame(flags=SYN))

    (data,) = through(box, tcp_frame(options=blocks))

    assert parts(data)[0] == blocks


def test_what_began_before_the_box_keeps_its_numbers_and_so_does_the_other_direction() -> None:
    box = SequenceNumbersRewritten(Rewritten(scope=Scope(direction=S2C)))
    begun, syn = tcp_frame(payload=b"x"), tcp_frame(flags=SYN, ports=(1, 2))

    assert through(box, begun) == [begun]
    assert through(box, syn) == [syn]
    assert box.acted_count == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Split(max_payload_bytes=0),
        lambda: Coalesced(hold_ns=0),
        lambda: Coalesced(merge_count=1),
        lambda: Coalesced(max_payload_bytes=1),
        lambda: Coalesced(mss_bytes=70_000),
        lambda: Rewritten(c2s_offset=0, s2c_offset=0),
        lambda: Rewritten(c2s_offset=2**32),
        lambda: Rewritten(scope=Scope(first_segment=2)),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"\w"):
        make()
