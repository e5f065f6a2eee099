"""Where frames lie in a block of the Linux kernel's packet ring, version 3.

``struct tpacket_block_desc`` and ``struct tpacket3_hdr`` of linux/if_packet.h; the kernel's
Documentation/networking/packet_mmap.rst.  The block is the kernel's, so its offsets are believed
only as far as the block goes: a mistake here must not read what is not ours.
"""

import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.kernels import byte, kernel, readable, u16, u32
from mptcp_check.analysis.capture.records import Records

BLOCK_STATUS_AT: Final = 8
COUNT_AT: Final = 12
FIRST_AT: Final = 16

HEADER_BYTES: Final = 48
"""``struct tpacket3_hdr``; ``struct sockaddr_ll`` follows it."""
KIND_AT: Final = HEADER_BYTES + 10
"""``sll_pkttype``."""
OUTGOING: Final = 4
"""PACKET_OUTGOING of linux/if_packet.h."""

LITTLE: Final = sys.byteorder == "little"

IN, OUT = range(2)
"""Values of ``Records.interface``: which way a frame went."""


def frames(block: npt.NDArray[np.uint8]) -> Records:
    """Return the frames of a block, as they begin with their IP header.

    Args:
        block: Its bytes, read-only.

    Returns:
        A row per frame, ``interface`` being `IN` or `OUT`; none of a block that is no block.
    """
    count = int.from_bytes(block[COUNT_AT : COUNT_AT + 4].tobytes(), sys.byteorder)
    rows = Records.allocate(min(count, len(block) // HEADER_BYTES))
    if not len(rows.offset):
        return rows
    return rows.resized(read_frames(readable(block), rows, LITTLE))


@kernel
def read_frames(buffer: Any, records: Records, little: bool) -> int:  # noqa: ANN401, FBT001 - a kernel
    """Fill the records; return how many there are."""
    row = 0
    at = u32(buffer, FIRST_AT, little)
    while row < len(records.offset) and at + KIND_AT < len(buffer):
        captured = u32(buffer, at + 12, little)
        start = at + u16(buffer, at + 26, little)
        if start + captured > len(buffer):
            break
        records.offset[row] = start
        records.captured[row] = captured
        records.wire[row] = u32(buffer, at + 16, little)
        seconds = u32(buffer, at + 4, little)
        records.time_ns[row] = seconds * 1_000_000_000 + u32(buffer, at + 8, little)
        records.interface[row] = OUT if byte(buffer, at + KIND_AT) == OUTGOING else IN
        row += 1
        step = u32(buffer, at, little)
        if step == 0:
            break
        at += step
    return row
