import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.machines.stream_framing import MAX_FRAME_BYTES, Deframer, framed


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=20),
    st.lists(st.integers(1, 50), max_size=50),
)
def test_frames_come_out_whole_however_the_stream_is_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream, deframer, out = b"".join(map(framed, frames)), Deframer(), []
    for size in cuts:
        out += deframer.feed(stream[:size])
        stream = stream[size:]
    out += deframer.feed(stream)

    assert out == frames
    assert deframer.problem == ""


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_stream_with_its_name(length: int) -> None:
    deframer = Deframer()

    assert deframer.feed(framed(b"good") + length.to_bytes(4, "big") + framed(b"lost")) == [b"good"]
    assert f"a frame of {length} bytes" in deframer.problem
    assert deframer.feed(framed(b"more")) == []


def test_the_longest_frame_passes() -> None:
    frame = bytes(MAX_FRAME_BYTES)

    assert Deframer().feed(framed(frame)) == [frame]


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_noise_never_raises_and_is_never_hoarded(pieces: list[bytes]) -> None:
    deframer = Deframer()
    for piece in pieces:
        deframer.feed(piece)

    assert len(deframer._rest) < MAX_FRAME_BYTES + 4
