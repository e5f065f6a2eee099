import numpy as np
import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.pairing.byte_stream import ByteStream, shift_between
from mptcp_check.analysis.pairing.halves import half
from mptcp_check.analysis.pairing.paired import Half
from mptcp_check.model import Side
from pcap_frames import pcap_with, tcp_frame

ENDS = ("192.0.2.1", 1), ("192.0.2.2", 2)


def segments(*parts: tuple[int, bytes], isn: int | None = None) -> Half:
    """Return one direction with some payload at absolute sequence numbers."""
    frames = [tcp_frame(*ENDS, seq=seq, ack=1, flags=0x18, payload=data) for seq, data in parts]
    capture = read(pcap_with(list(enumerate(frames))))
    return half(capture, Side.CLIENT, np.arange(len(parts)), isn)


def text(stream: ByteStream, start: int, end: int) -> bytes | None:
    data = stream.read(start, end)
    return None if data is None else data.tobytes()


def test_bytes_are_found_by_their_place_whatever_the_segments_were() -> None:
    stream = ByteStream(segments((1, b"hello"), (4, b"lo wor"), (10, b"ld"), isn=0))

    assert text(stream, 0, 11) == b"hello world"
    assert text(stream, 3, 8) == b"lo wo"
    assert (stream.end, len(stream)) == (11, 3)
    assert [bytes(p.data) for p in stream.covering(2, 10)] == [b"llo", b" wor", b"l"]


def test_a_hole_is_not_filled() -> None:
    stream = ByteStream(segments((1, b"abc"), (7, b"ghi"), isn=0))

    assert stream.read(0, 9) is None
    assert [piece.start for piece in stream.covering(0, 9)] == [0, 6]
    assert stream.read(0, 0) is None


def test_any_copy_that_was_sent_counts() -> None:
    stream = ByteStream(segments((1, b"abcdef"), (1, b"abXdef"), isn=0))

    for data, held in ((b"Xde", True), (b"cde", True), (b"Yde", False)):
        assert stream.holds(2, np.frombuffer(data, np.uint8)) is held


def test_an_empty_direction_has_no_end() -> None:
    stream = ByteStream(segments())

    assert (len(stream), stream.end, stream.finish()) == (0, 0, None)


def test_streams_without_a_syn_are_laid_beside_each_other_by_what_occurs_once() -> None:
    same, other = b"A" * 50, b"B" * 50
    sent = segments((1_000, same), (1_050, same), (1_100, other))
    received = segments((1_050, same), (1_100, other))

    assert shift_between(sent, received) == 50
    assert shift_between(sent, segments((1, b"C" * 50))) is None
    assert shift_between(sent, segments((1, b"short"))) is None


@pytest.mark.parametrize("isn", [0, 2**32 - 3])
def test_sequence_numbers_may_wrap(isn: int) -> None:
    stream = ByteStream(segments((isn + 1, b"abc"), (isn + 4, b"def"), isn=isn))

    assert text(stream, 0, 6) == b"abcdef"
