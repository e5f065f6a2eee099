"""Count the packets of a pcap file that tcpdump wrote here, and see whether it was cut off.

tcpdump does not notice a full disk when it writes packet by packet, so the file is the witness.
Format: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/, 16-byte record headers.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC_NUMBERS = frozenset({0xA1B2C3D4, 0xA1B23C4D})
"""Microseconds and nanoseconds, in the byte order of this machine: no other is written here."""

FILE_HEADER_BYTES = 24
RECORD_HEADER = struct.Struct("=IIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a capture file holds."""

    packet_count: int
    whole: bool
    """False when it has no header or ends inside a record."""


def contents(path: Path) -> Contents:
    """Walk over the records of a file.

    Raises:
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if size < FILE_HEADER_BYTES:
        return Contents(packet_count=0, whole=False)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        (magic,) = struct.unpack_from("=I", data)
        if magic not in MAGIC_NUMBERS:
            return Contents(packet_count=0, whole=False)
        offset = FILE_HEADER_BYTES
        packet_count = 0
        while offset + RECORD_HEADER.size <= len(data):
            _, _, captured_bytes, _ = RECORD_HEADER.unpack_from(data, offset)
            after = offset + RECORD_HEADER.size + captured_bytes
            if after > len(data):
                break
            offset = after
            packet_count += 1
        return Contents(packet_count=packet_count, whole=offset == len(data))
