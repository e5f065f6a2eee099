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
SMALLEST_BLOCK_BYTES: Final = 12

SECTION_LENGTH: Final = slice(16, 24)
"""Where a Section Header Block says how long its section is: pcapng, section 4.1."""
UNKNOWN_LENGTH: Final = b"\xff" * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Some records, one after the other in a piece of the file."""

    start: Column
    """int64: offset of the record's first byte in the piece."""
    end: Column
    """int64: offset after its last byte."""
    descriptions: tuple[bytes, ...]
    """What has to stand before these records, and has not been given before."""


class BoundsReader:
    """Finds the records of a capture file that comes in pieces, each of whole records."""

    def __init__(self) -> None:
        self._variant: pcap_framing.Variant | None = None
        self._is_pcapng = False
        self._little = True
        self._descriptions: list[bytes] = []

    def bounds(self, octets: npt.NDArray[np.uint8], frame_count: int) -> Iterator[Bounds]:
        """Yield where the records of the next piece are.

        Args:
            octets: The piece: what a `Reader` took of the file for some frames.
            frame_count: How many frames these are.
        """
        at = 0
        if self._variant is None and not self._is_pcapng:
            magic = octets[:4].tobytes()
            self._is_pcapng = magic == pcapng_framing.MAGIC
            if not self._is_pcapng:
                self._variant = pcap_framing.MAGICS[magic]
                at = pcap_framing.FILE_HEADER_BYTES
                self._descriptions.append(octets[:at].tobytes())
        if self._variant is None:
            yield from self._pcapng(octets)
        elif frame_count:
            start, end = np.empty(frame_count, np.int64), np.empty(frame_count, np.int64)
            little, header_bytes = self._variant.little, self._variant.record_header_bytes
            pcap_records(readable(octets), at, little, header_bytes, start, end)
            yield self._found(start, end)

    def _found(self, start: Column, end: Column) -> Bounds:
        descriptions = tuple(self._descriptions)
        self._descriptions.clear()
        return Bounds(start=start, end=end, descriptions=descriptions)

    def _pcapng(self, octets: npt.NDArray[np.uint8]) -> Iterator[Bounds]:
        at, room = 0, len(octets) // SMALLEST_BLOCK_BYTES + 1
        while at < len(octets):
            size = min(BATCH_RECORDS, room)
            start, end = np.empty(size, np.int64), np.empty(size, np.int64)
            at, count = (
                int(n) for n in pcapng_records(readable(octets), at, self._little, start, end)
            )
            if count:
                yield self._found(start[:count], end[:count])
            if at < len(octets) and count < size:
                at += self._take(octets, at)

    def _take(self, octets: npt.NDArray[np.uint8], at: int) -> int:
        """Take a block without packets; return its length.

        Its section or its interfaces are needed to read the next ones.
        """
        buffer = readable(octets)
        kind = int(u32(buffer, at, self._little))
        if kind == SECTION_HEADER:
            self._little = bool(section_is_little(buffer, at))
        block = bytearray(octets[at : at + int(u32(buffer, at + 4, self._little))].tobytes())
        if kind == SECTION_HEADER:
            # Whoever takes packets out of a section makes it shorter.
            block[SECTION_LENGTH] = UNKNOWN_LENGTH
        if kind != INTERFACE_STATISTICS:  # it counts the packets of the whole capture
            self._descriptions.append(bytes(block))
        return len(block)


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
    """Fill `start` and `end` with packet blocks from offset `at` on, up to any other or the end.

    Returns:
        The offset of the first block not taken, and how many were.
    """
    row = 0
    while row < len(start) and at < len(buffer):
        kind = u32(buffer, at, little)
        if kind not in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            break
        start[row] = at
        at += u32(buffer, at + 4, little)
        end[row] = at
        row += 1
    return at, row
