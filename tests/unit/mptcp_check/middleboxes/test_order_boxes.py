"""Boxes that compare a segment with what passed before: holes, acknowledgments, copies."""

import pytest

from mptcp_check.middleboxes.ack_hole_altered import AckHoleAltered, Treatment
from mptcp_check.middleboxes.ack_hole_altered import Parameters as Checked
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.hole_blocked import HoleBlocked
from mptcp_check.middleboxes.hole_blocked import Parameters as Blocked
from mptcp_check.middleboxes.retransmission_altered import Parameters as Altered
from mptcp_check.middleboxes.retransmission_altered import RetransmissionAltered, Source
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction
from wire_frames import RST, SYN, parts, problems, tcp_frame

C2S, S2C = Direction.C2S, Direction.S2C


def through(box: Behaviour, frame: bytes, way: Direction = C2S) -> list[bytes]:
    frames = [emission.frame for emission in box.on_frame(frame, way, 0)]
    assert [problem for each in frames for problem in problems(each)] == []
    return frames


def data(sequence: int, payload: bytes) -> bytes:
    return tcp_frame(sequence=sequence, payload=payload)


def test_what_follows_a_hole_waits_and_leaves_in_order_when_it_is_filled() -> None:
    box = HoleBlocked()
    first, second, third, fourth = (data(at, b"ab") for at in (100, 102, 104, 106))

    assert through(box, first) == [first]
    assert through(box, fourth) == []
    assert through(box, third) == []
    assert through(box, second) == [second, third, fourth]
    assert box.acted_count == 2


def test_what_carries_nothing_and_what_was_sent_again_is_not_held() -> None:
    box = HoleBlocked()
    through(box, data(100, b"ab"))
    frames = [tcp_frame(sequence=900), data(100, b"ab"), tcp_frame(sequence=900, flags=RST)]

    assert [through(box, frame) for frame in frames] == [[frame] for frame in frames]


def test_a_hole_after_the_syn_is_one_too() -> None:
    box = HoleBlocked()
    through(box, tcp_frame(flags=SYN, sequence=99))

    assert through(box, data(101, b"b")) == []


def test_a_full_buffer_drops() -> None:
    box = HoleBlocked(Blocked(buffer_bytes=100))
    frames = [data(at, b"ab") for at in (100, 104, 106, 102)]

    out = [through(box, frame) for frame in frames]

    assert out == [[frames[0]], [], [], [frames[3], frames[1]]]


def test_an_acknowledgment_of_what_the_box_has_not_seen_is_dropped_or_corrected() -> None:
    ahead = tcp_frame(from_client=False)  # acknowledges 77
    for treatment in Treatment:
        box = AckHoleAltered(Checked(treatment=treatment))
        through(box, data(60, b"seen"))
        through(box, data(70, bytes(7)))  # behind a hole from 64 to 70
        frames = through(box, ahead, S2C)

        if treatment is Treatment.DROP:
            assert frames == []
        else:
            assert [int.from_bytes(frame[42:46], "big") for frame in frames] == [64]
        assert box.acted_count == 1
        through(box, data(64, bytes(6)))
        assert through(box, ahead, S2C) == [ahead]


def test_an_acknowledgment_in_a_connection_that_the_box_has_not_seen_passes() -> None:
    frame = tcp_frame(from_client=False)

    assert through(AckHoleAltered(), frame, S2C) == [frame]


def test_the_first_copy_is_put_over_what_is_sent_again() -> None:
    box = RetransmissionAltered()
    through(box, data(100, b"first copy"))

    (again,) = through(box, data(106, b"COPY and more"))

    assert parts(again)[1] == b"copy and more"
    assert box.acted_count == 1
    assert through(box, data(110, b" and more")) == [data(110, b" and more")]


def test_a_faulty_box_damages_what_is_sent_again_and_only_that() -> None:
    box = RetransmissionAltered(Altered(source=Source.DAMAGED, mask=0x20))
    assert through(box, data(100, b"abc")) == [data(100, b"abc")]

    (again,) = through(box, data(100, b"abcdef"))

    assert parts(again)[1] == b"ABCdef"


def test_only_the_newest_bytes_are_remembered() -> None:
    box = RetransmissionAltered(Altered(cache_bytes=4))
    through(box, data(100, b"abcdefgh"))

    (again,) = through(box, data(100, b"12345678"))

    assert parts(again)[1] == b"1234efgh"


def test_a_hole_begins_the_memory_anew() -> None:
    box = RetransmissionAltered()
    through(box, data(100, b"ab"))
    through(box, data(110, b"cd"))

    assert through(box, data(100, b"XY")) == [data(100, b"XY")]


def test_a_scope_spares_the_other_direction() -> None:
    box = HoleBlocked(Blocked(scope=Scope(direction=S2C)))
    through(box, data(100, b"ab"))

    assert through(box, data(104, b"ab")) == [data(104, b"ab")]


@pytest.mark.parametrize("wrong", [{"mask": 0}, {"mask": 256}, {"cache_bytes": 0}])
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"mask|cache"):
        Altered(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffer"):
        Blocked(buffer_bytes=-1)
