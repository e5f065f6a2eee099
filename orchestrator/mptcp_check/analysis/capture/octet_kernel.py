"""Whole segments octet by octet, compiled: TCP checksums, and payloads of two captures compared."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.kernels import be16, byte, kernel

PROTOCOL_TCP: Final = 6
RIGHT, WRONG, UNKNOWN = 1, 0, -1


@kernel
def verify_checksums(  # noqa: PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    ip_offset: npt.NDArray[np.int64],
    tcp_offset: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    captured_end: npt.NDArray[np.int64],
    states: npt.NDArray[np.int8],
) -> None:
    """Verify TCP checksums: RFC 9293, section 3.1; RFC 8200, section 8.1.

    Args:
        buffer: The capture.
        ip_offset: Where each IP header starts.
        tcp_offset: Where each TCP header starts.
        end: Where each segment ends on the wire.
        captured_end: Where what was captured of it ends.
        states: Set to `RIGHT`, `WRONG`, or `UNKNOWN` for what was not captured whole.
    """
    for row in range(len(states)):
        if captured_end[row] < end[row] or end[row] > len(buffer):
            states[row] = UNKNOWN
            continue
        first, last = ip_offset[row] + 12, ip_offset[row] + 20
        if byte(buffer, ip_offset[row]) >> 4 == 6:  # noqa: PLR2004 - IPv6
            first, last = ip_offset[row] + 8, ip_offset[row] + 40
        total = PROTOCOL_TCP + end[row] - tcp_offset[row]
        for place in range(first, last, 2):
            total += be16(buffer, place)
        odd = (end[row] - tcp_offset[row]) % 2
        for place in range(tcp_offset[row], end[row] - odd, 2):
            total += be16(buffer, place)
        if odd:
            total += byte(buffer, end[row] - 1) * 0x100
        states[row] = RIGHT if total % 0xFFFF == 0 else WRONG


@kernel
def compare_octets(  # noqa: PLR0917 - a kernel's state is its arguments
    here: Any,  # noqa: ANN401 - see `kernels.readable`
    there: Any,  # noqa: ANN401 - see `kernels.readable`
    at_here: npt.NDArray[np.int64],
    at_there: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    same: npt.NDArray[np.uint8],
) -> None:
    """Say of many pairs of ranges whether their octets are equal.

    Args:
        here: One capture.
        there: The other one.
        at_here: Where each range starts in the one.
        at_there: Where it starts in the other.
        counts: How many octets it has; they must be there.
        same: Set to 1 or 0.
    """
    for row in range(len(same)):
        same[row] = 1
        for step in range(counts[row]):
            if byte(here, at_here[row] + step) != byte(there, at_there[row] + step):
                same[row] = 0
                break
