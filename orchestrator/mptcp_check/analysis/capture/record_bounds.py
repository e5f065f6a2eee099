"""Where the records of a capture file begin and end, to copy them as they are.

The framing tells where frames lie; who takes a file apart needs their headers too, with all that a
writer put there: packet comments, flags, hashes.  Frames come in the order and the number in which
`capture_file.frame` counts them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture import pcap_framing, pcapng_framing
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel, readable, u32
from mptcp_check.analysis.capture.pcapng_blocks import (
    ENHANCED_PACKET,
    INTERFACE_STATISTICS,
    PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
    section_is_little,
)

BATCH_RECORDS: Final = 65_536

SECTION_LENGTH: Final = slice(16, 24)
"""Where a Section Header Block says how long its section is: pcapng, section 4.1."""
UNKNOWN_LENGTH: Final = b"\xff" * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Some records, one after the other in the file."""

    first_frame: int
    """Wireshark's number of the first one, from 1."""
    start: Column
    """int64: offset of the record's first byte."""
    end: Column
    """int64: offset after its last byte."""
    descriptions: tuple[bytes, ...]
    """What has to stand before these records, and has not been given before."""


def bounds(octets: npt.NDArray[np.uint8], frame_count: int) -> Iterator[Bounds]:
    """Yield where the records are.

    Args:
        octets: A capture file.
        frame_count: How many frames its framing found; there are no more here.
    """
    if octets[:4].tobytes() == pcapng_framing.MAGIC:
        yield from _pcapng(octets, frame_count)
    else:
        yield from _pcap(octets, frame_count)


def _pcap(octets: npt.NDArray[np.uint8], frame_count: int) -> Iterator[Bounds]:
    variant = pcap_framing.MAGICS[octets[:4].tobytes()]
    at, done = pcap_framing.FILE_HEADER_BYTES, 0
    descriptions: tuple[bytes, ...] = (octets[:at].tobytes(),)
    while done < frame_count:
        size = min(BATCH_RECORDS, frame_count - done)
        start, end = np.empty(size, np.int64), np.empty(size, np.int64)
        at = int(
            pcap_records(
                readable(octets), at, variant.little, variant.record_header_bytes, start, end
            )
        )
        yield Bounds(first_frame=done + 1, start=start, end=end, descriptions=descriptions)
        descriptions = ()
        done += size


def _pcapng(octets: npt.NDArray[np.uint8], frame_count: int) -> Iterator[Bounds]:
    at, done, little = 0, 0, True
    descriptions: list[bytes] = []
    while done < frame_count:
        size = min(BATCH_RECORDS, frame_count - done)
        start, end = np.empty(size, np.int64), np.empty(size, np.int64)
        at, count = (int(n) for n in pcapng_records(readable(octets), at, little, start, end))
        if count:
            yield Bounds(
                first_frame=done + 1,
                start=start[:count],
                end=end[:count],
                descriptions=tuple(descriptions),
            )
            descriptions.clear()
        done += count
        if done == frame_count or count == size:
            continue
        # A block without packets: its section or its interfaces are needed to read the next ones.
        kind = int(u32(readable(octets), at, little))
        if kind == SECTION_HEADER:
            little = bool(section_is_little(readable(octets), at))
        block = bytearray(octets[at : at + int(u32(readable(octets), at + 4, little))].tobytes())
        if kind == SECTION_HEADER:
            # Whoever takes packets out of a section makes it shorter.
            block[SECTION_LENGTH] = UNKNOWN_LENGTH
        if kind != INTERFACE_STATISTICS:  # it counts the packets of the whole capture
            descriptions.append(bytes(block))
        at += len(block)


@kernel
def pcap_records(  # noqa: PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    little: bool,  # noqa: FBT001 - kernels take positions
    header_bytes: int,
    start: Column,
    end: Column,
) -> int:
    """Fill `start` and `end` with the records from offset `at` on; return where the next one is."""
    for row in range(len(start)):
        start[row] = at
        at += header_bytes + u32(buffer, at + 8, little)
        end[row] = at
    return at


@kernel
def pcapng_records(
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    little: bool,  # noqa: FBT001 - kernels take positions
    start: Column,
    end: Column,
) -> tuple[int, int]:
    """Fill `start` and `end` with packet blocks from offset `at` on, up to any other block.

    Returns:
        The offset of the first block not taken, and how many were.
    """
    row = 0
    while row < len(start):
        kind = u32(buffer, at, little)
        if kind not in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            break
        start[row] = at
        at += u32(buffer, at + 4, little)
        end[row] = at
        row += 1
    return at, row
