"""Verify the TCP checksum of captured segments (RFC 9293, section 3.1; RFC 8200, section 8.1)."""

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.octet_kernel import verify_checksums
from mptcp_check.analysis.capture.packets import Note

_PROTOCOL_TCP = 6
_NOT_WHOLE = int(Note.HEADER_CUT | Note.HEADER_LENGTH)


def is_valid(capture: Capture, row: int) -> bool | None:
    """Say whether a segment's checksum is right.

    A wrong one means damage on the wire if the neighbours' are right, and checksum offload if all
    are wrong: a capture at the sender sees segments before the network card has filled it in.

    Returns:
        None if the segment was not captured whole.
    """
    packets = capture.packets
    start = int(packets.tcp_offset[row])
    payload_start = int(packets.payload_offset[row])
    payload_bytes = int(packets.payload_bytes[row])
    if int(packets.captured_bytes[row]) < payload_bytes or int(packets.notes[row]) & _NOT_WHOLE:
        return None
    segment = np.frombuffer(capture.buffer, np.uint8)[start : payload_start + payload_bytes]
    if len(segment) < payload_start + payload_bytes - start:
        return None
    total = _sum_of_words(segment) + _PROTOCOL_TCP + len(segment)
    for column in (packets.src_high, packets.src_low, packets.dst_high, packets.dst_low):
        # an IPv4 address is mapped: its 0xffff is the zero of one's complement, so it may stay
        total += int(column[row])
    return total % 0xFFFF == 0


def checksum_states(capture: Capture, rows: Column) -> Column:
    """Return what the checksums of some segments are: int8, 1 right, 0 wrong, -1 not known.

    Args:
        capture: Where the segments are.
        rows: Which of them.
    """
    packets = capture.packets
    payload = packets.payload_offset[rows]
    states = np.empty(len(rows), np.int8)
    verify_checksums(
        readable(packets.buffer),
        packets.ip_offset[rows],
        packets.tcp_offset[rows],
        payload + packets.payload_bytes[rows].astype(np.int64),
        payload + packets.captured_bytes[rows].astype(np.int64),
        states,
    )
    states[(packets.notes[rows] & _NOT_WHOLE) != 0] = -1
    return states


def _sum_of_words(data: npt.NDArray[np.uint8]) -> int:
    """Return the sum of the 16-bit words, an odd byte padded with 0 (RFC 1071, section 1)."""
    even = len(data) & ~1
    words = data[:even].reshape(-1, 2).astype(np.int64).sum(axis=0)
    return int(words[0]) * 256 + int(words[1]) + (int(data[even]) * 256 if len(data) & 1 else 0)
