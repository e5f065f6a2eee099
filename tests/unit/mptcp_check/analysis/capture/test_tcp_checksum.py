import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.tcp_checksum import checksum_states, is_valid
from pcap_frames import pcap_with, tcp_frame
from traces import captures


@pytest.mark.parametrize("payload", [b"", b"x", b"xy", b"\xff" * 999, b"\0" * 1000])
@pytest.mark.parametrize(
    ("source", "destination"),
    [
        (("192.0.2.1", 1), ("192.0.2.2", 65_535)),
        (("2001:db8::1", 40_000), ("2001:db8::ffff:ffff", 80)),
    ],
)
@pytest.mark.parametrize("error", [0, 1, 0x8000])
def test_a_checksum_is_right_or_it_is_not(
    payload: bytes, source: tuple[str, int], destination: tuple[str, int], error: int
) -> None:
    frame = tcp_frame(
        source, destination, seq=7, ack=8, flags=0x18, payload=payload, checksum_error=error
    )
    capture = read(pcap_with([(0, frame)]))

    assert is_valid(capture, 0) is (error == 0)
    assert checksum_states(capture, np.array([0, 0])).tolist() == [int(error == 0)] * 2


def test_a_segment_that_was_cut_cannot_be_verified() -> None:
    frame = tcp_frame(("192.0.2.1", 1), ("192.0.2.2", 2), seq=7, ack=8, flags=0x18, payload=b"abc")

    capture = read(pcap_with([(0, frame)], snap_bytes=len(frame) - 1))

    assert is_valid(capture, 0) is None
    assert checksum_states(capture, np.array([0])).tolist() == [-1]


@settings(deadline=None)  # the first call compiles the kernels
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(20, 300))
def test_whatever_a_file_holds_it_is_verified_without_an_error(
    frames: list[bytes], snap_bytes: int
) -> None:
    head = b"\2" * 6 + b"\4" * 6 + b"\x08\x00\x45\x00\x00\x80" + bytes(5) + b"\x06"
    capture = read(pcap_with(list(enumerate(head + f for f in frames)), snap_bytes=snap_bytes))
    rows = np.arange(len(capture.packets))

    expected = {True: 1, False: 0, None: -1}
    assert checksum_states(capture, rows).tolist() == [
        expected[is_valid(capture, row)] for row in rows.tolist()
    ]


def test_every_segment_of_a_trace_is_right() -> None:
    client, _ = captures("0.000 > SYN mpc\n0.020 < SYN/ACK mpc\n0.040 > PSH data=77 mpc")

    assert [is_valid(client, row) for row in range(3)] == [True, True, True]
