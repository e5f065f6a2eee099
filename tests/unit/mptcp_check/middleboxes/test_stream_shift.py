import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.sequence import unwrapped
from mptcp_check.middleboxes.stream_shift import MAX_EDITS, StreamShift
from wire_frames import tcp_frame

CIRCLE = 2**32


def segment(sequence: int, payload: bytes) -> TcpSegment:
    found = tcp_segment(tcp_frame(sequence=sequence % CIRCLE, payload=payload))
    assert found is not None
    return found


def passed(shift: StreamShift, sequence: int, payload: bytes) -> TcpSegment:
    made = segment(sequence, payload)
    shift.note(made)
    return made


def test_without_edits_nothing_changes() -> None:
    shift = StreamShift()

    assert shift.forward(77) == shift.backward(77) == 77
    assert shift.block(5, 9) == (5, 9)


def test_a_constant_wraps_round_the_circle() -> None:
    shift = StreamShift(10)

    assert shift.forward(CIRCLE - 4) == 6
    assert shift.backward(6) == CIRCLE - 4
    assert shift.block(6, 16) == (CIRCLE - 4, 6)


def test_what_follows_an_insertion_moves_and_its_acknowledgment_moves_back() -> None:
    shift = StreamShift()
    line = passed(shift, 100, b"PORT a\r\n")
    shift.edit(105, 1, b"abc")

    assert shift.content(line) == b"PORT abc\r\n"
    assert [shift.forward(n) for n in (100, 105, 106, 108)] == [100, 105, 108, 110]
    assert [shift.backward(n) for n in (100, 105, 108, 110, 111)] == [100, 105, 106, 108, 109]


def test_an_acknowledgment_inside_of_an_insertion_vouches_for_no_byte_of_it() -> None:
    shift = StreamShift()
    passed(shift, 100, b"abcd")
    shift.edit(102, 1, b"XYZ")

    assert [shift.backward(n) for n in (102, 103, 104, 105)] == [102, 102, 102, 103]


def test_an_acknowledgment_of_what_precedes_a_deletion_vouches_for_it() -> None:
    shift = StreamShift()
    line = passed(shift, 100, b"abcdef")
    shift.edit(102, 2, b"")

    assert shift.content(line) == b"abef"
    assert shift.backward(102) == 104
    assert shift.backward(103) == 105


def test_blocks_are_rounded_to_whole_bytes() -> None:
    shift = StreamShift()
    passed(shift, 100, bytes(20))
    shift.edit(110, 0, b"xx")

    assert shift.block(112, 122) == (111, 120)
    assert shift.block(113, 122) == (111, 120)
    assert shift.block(100, 111) == (100, 110)
    assert shift.block(110, 112) is None


def test_every_copy_becomes_the_same_bytes_however_it_is_cut() -> None:
    shift = StreamShift()
    passed(shift, 100, b"0123456789")
    shift.edit(103, 4, b"ab")

    assert shift.content(segment(100, b"0123")) == b"012a"
    assert shift.content(segment(104, b"4")) == b"b"
    assert shift.content(segment(105, b"56")) == b""
    assert shift.content(segment(104, b"456789")) == b"b789"


def test_memory_is_bounded_and_new_bytes_stay_right() -> None:
    shift = StreamShift()
    for at in range(3 * MAX_EDITS):
        passed(shift, at, b"x")
        shift.edit(at, 0, b"-")

    assert len(shift._edits) == MAX_EDITS
    assert shift.forward(3 * MAX_EDITS) == 6 * MAX_EDITS
    assert shift.backward(6 * MAX_EDITS) == 3 * MAX_EDITS


EDITS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 4), st.binary(max_size=4)), min_size=1, max_size=6
)


@given(st.integers(0, CIRCLE - 1), EDITS, st.data())
def test_the_map_is_the_one_of_the_bytes(
    first: int, edits: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    payload = bytes(range(100))
    shift = StreamShift()
    passed(shift, first, payload)
    expected, at = b"", 0
    for gap, removed, inserted in edits:
        shift.edit(first + at + gap, removed, inserted)
        expected += payload[at : at + gap] + inserted
        at += gap + removed
        if not removed:
            expected += payload[at : at + 1]
            at += 1
    expected += payload[at:]

    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, 99), max_size=8))), 100]
    pieces = [segment(first + low, payload[low:high]) for low, high in itertools.pairwise(cuts)]
    rebuilt = b""
    for piece in pieces:
        assert unwrapped(shift.forward(piece.sequence), first) == first + len(rebuilt)
        rebuilt += shift.content(piece)
    assert rebuilt == expected

    number = data.draw(st.integers(0, len(expected)))
    back = unwrapped(shift.backward((first + number) % CIRCLE), first) - first
    assert unwrapped(shift.forward((first + back) % CIRCLE), first) - first <= number
    if back < 100:
        assert unwrapped(shift.forward((first + back + 1) % CIRCLE), first) - first > number


@pytest.mark.parametrize("sequence", [0, CIRCLE - 1])
def test_a_number_that_was_passed_is_not_new(sequence: int) -> None:
    shift = StreamShift()
    passed(shift, sequence, b"abc")

    assert not shift.is_new(sequence)
    assert not shift.is_new((sequence + 2) % CIRCLE)
    assert shift.is_new((sequence + 3) % CIRCLE)
