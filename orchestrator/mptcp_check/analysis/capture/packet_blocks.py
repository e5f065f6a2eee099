"""Columns to Enhanced Packet Blocks of pcapng, many at once (draft-ietf-opsawg-pcapng, 4.3).

Little-endian, interface 0, times in nanoseconds: what follows `head`.  Nothing here knows of a
file, so that blocks can wait in memory until it is known whose they are.
"""

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel, readable
from mptcp_check.analysis.capture.pcapng_blocks import (
    ENHANCED_PACKET,
    ISB_IFDROP,
    OPT_COMMENT,
    SHB_USERAPPL,
    description,
    section,
    statistics,
)
from mptcp_check.analysis.capture.records import Records

OVERHEAD_BYTES: Final = 32
"""What a block has besides its frame and the padding of it."""


def head(*, link_type: int, name: str, application: str) -> bytes:
    """Return the blocks that a file begins with: a section and its one interface."""
    begun = section((SHB_USERAPPL, application.encode()))
    return begun + description(link_type=link_type, snap_bytes=0, name=name)


def tail(*, time_ns: int, dropped_count: int, comment: str) -> bytes:
    """Return the block that a file ends with: what was lost, and why it may be incomplete."""
    options = [(ISB_IFDROP, struct.pack("<Q", dropped_count))]
    if comment:
        options.insert(0, (OPT_COMMENT, comment.encode()))
    return statistics(0, time_ns, *options)


def blocks(buffer: npt.NDArray[np.uint8], records: Records, rows: Column) -> bytes:
    """Return the blocks of some frames, in the order of the rows.

    Args:
        buffer: What the offsets point into, read-only.
        records: Frames.
        rows: Which of them (int64).
    """
    captured = records.captured[rows].astype(np.int64)
    size = int((captured + (-captured & 3)).sum()) + OVERHEAD_BYTES * len(rows)
    out = np.zeros(size, dtype=np.uint8)
    write_blocks(readable(buffer), records, rows, out)
    return out.tobytes()


@kernel
def write_blocks(buffer: Any, records: Records, rows: Column, out: Column) -> None:  # noqa: ANN401 - a kernel
    """Write the blocks; `out` has exactly the room."""
    at = 0
    for index in range(len(rows)):
        row = rows[index]
        start = records.offset[row]
        captured = records.captured[row] + 0
        length = captured + (4 - captured % 4) % 4 + OVERHEAD_BYTES
        put32(out, at, ENHANCED_PACKET)
        put32(out, at + 4, length)
        time_ns = records.time_ns[row]
        put32(out, at + 12, time_ns // 0x1_0000_0000)
        put32(out, at + 16, time_ns % 0x1_0000_0000)
        put32(out, at + 20, captured)
        put32(out, at + 24, records.wire[row] + 0)
        for position in range(captured):
            out[at + 28 + position] = buffer[start + position]
        put32(out, at + length - 4, length)
        at += length


@kernel
def put32(out: Column, at: int, number: int) -> None:
    """Write four bytes, the lowest first."""
    out[at] = number % 0x100
    out[at + 1] = number // 0x100 % 0x100
    out[at + 2] = number // 0x1_0000 % 0x100
    out[at + 3] = number // 0x100_0000 % 0x100
