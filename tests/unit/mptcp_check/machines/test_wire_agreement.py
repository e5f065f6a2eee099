import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.machines.wire_agreement import Agreement, compare
from mptcp_check.machines.wire_record import WireFrame, WireRecord
from mptcp_check.model import Direction
from wire_frames import ethernet, ip, tcp_frame

FRAMES = [tcp_frame(sequence=number) for number in range(6)]
ARP = FRAMES[0][:12] + b"\x08\x06" + bytes(28)


def on_wire(frames: list[bytes], *, first_ns: int = 0) -> tuple[WireFrame, ...]:
    record = WireRecord()
    for number, frame in enumerate(frames):
        record.add(frame, first_ns + number, Direction.C2S)
    return record.frames()


def agreement(captured: list[bytes], wire: list[bytes], **window: int) -> Agreement:
    return compare(captured, on_wire(wire), interface="eth0", **window)


def test_what_crossed_while_an_interface_was_down_on_purpose_may_be_missing() -> None:
    seen = FRAMES[:2] + FRAMES[4:]
    wire = on_wire(FRAMES)

    assert compare(seen, wire, interface="eth0", away=[(2, 4)]).agrees
    assert compare(seen, wire, interface="eth0", away=[(2, 3)]).missing_count == 1
    assert compare(FRAMES, wire, interface="eth0", away=[(2, 4)]).agrees
    assert not compare([*FRAMES, FRAMES[2]], wire, interface="eth0", away=[(2, 4)]).agrees


def test_the_same_frames_agree() -> None:
    result = agreement(FRAMES, FRAMES)

    assert result.agrees
    assert (result.captured_count, result.wire_count) == (6, 6)
    assert result.reason == "eth0: all 6 TCP frames of the capture crossed the wire"


def test_what_is_not_tcp_is_not_compared() -> None:
    assert agreement(
        [ARP, *FRAMES], [*FRAMES, ethernet(4, ip(4, 17, b"1234", b"1235", b""))]
    ).agrees


def test_the_order_of_the_two_directions_does_not_matter() -> None:
    assert agreement(FRAMES[::-1], FRAMES).agrees


def test_a_frame_that_the_capture_lacks_is_named_by_its_place() -> None:
    result = agreement(FRAMES[:2] + FRAMES[3:], FRAMES)

    assert not result.agrees
    assert result.missing_count == 1
    assert result.reason == (
        "eth0: 1 of 6 TCP frames on the wire are not in the capture (the first is number 3, c2s)"
    )


def test_a_frame_that_never_crossed_the_wire_is_told() -> None:
    result = agreement(FRAMES, FRAMES[:4])

    assert not result.agrees
    assert result.unexpected_count == 2
    assert result.reason == "eth0: 2 of 6 captured TCP frames never crossed the wire"


def test_two_copies_on_the_wire_need_two_in_the_capture() -> None:
    assert not agreement(FRAMES[:1], FRAMES[:1] * 2).agrees
    assert agreement(FRAMES[:1] * 2, FRAMES[:1] * 2).agrees


def test_a_segment_merged_by_an_offload_is_found_out() -> None:
    merged = tcp_frame(payload=b"ab" * 1000)
    halves = [tcp_frame(payload=b"ab" * 500), tcp_frame(sequence=2000, payload=b"ab" * 500)]

    result = agreement([merged], halves)
    assert (result.missing_count, result.unexpected_count) == (2, 1)


@pytest.mark.parametrize(
    ("captured", "window"),
    [
        pytest.param(FRAMES[:4], {"stop_requested_ns": 4}, id="after the stop was asked for"),
        pytest.param(FRAMES[2:], {"capture_started_ns": 2}, id="before the capture ran"),
    ],
)
def test_frames_outside_the_captures_time_may_be_missing(
    captured: list[bytes], window: dict[str, int]
) -> None:
    result = agreement(captured, FRAMES, **window)

    assert result.agrees
    assert result.excused_count == 2


def test_a_late_copy_does_not_stand_in_for_an_early_one() -> None:
    # The early copy is captured, the late one is excused; counted the other way round it is not.
    assert agreement(FRAMES[:1], FRAMES[:1] * 2, stop_requested_ns=1).agrees
    assert not agreement([], FRAMES[:1] * 2, stop_requested_ns=1).agrees


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_it_agrees_exactly_when_the_multisets_are_equal(
    captured: list[int], wire: list[int]
) -> None:
    result = agreement([FRAMES[n] for n in captured], [FRAMES[n] for n in wire])

    assert result.agrees == (sorted(captured) == sorted(wire))
    assert result.wire_count - result.missing_count == (
        result.captured_count - result.unexpected_count
    )
