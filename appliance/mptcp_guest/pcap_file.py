"""Count the packets of a pcap file that tcpdump writes here, and see whether it was cut off.

tcpdump does not notice a full disk when it writes packet by packet, so the file is the witness.
Format: https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/, 16-byte record headers.
"""

import hashlib
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


class Reading:
    """A capture file that is read while it grows: each byte once, whenever there is time for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sha256 = hashlib.sha256()
        self._packet_count = 0
        self._record_at = FILE_HEADER_BYTES
        self._is_capture = False
        self.size_bytes = 0
        """Of what was read."""

    def go_on(self) -> None:
        """Read what came since; a file that is not there has nothing.

        Raises:
            OSError: It cannot be read.
        """
        if not self._path.exists() or self._path.stat().st_size <= self.size_bytes:
            return
        with (
            self._path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            with memoryview(data) as whole, whole[self.size_bytes :] as new:
                self._sha256.update(new)  # no copy: a long run's captures fill half of the memory
            self.size_bytes = len(data)
            self._is_capture = _is_capture(data)
            if self._is_capture:
                self._walk(data)

    @property
    def sha256(self) -> str:
        """In hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def contents(self) -> Contents:
        """What the file holds, as far as it was read."""
        whole = self.size_bytes == self._record_at
        return Contents(packet_count=self._packet_count, whole=whole and self._is_capture)

    def _walk(self, data: mmap.mmap) -> None:
        at, count = self._record_at, self._packet_count
        while at + RECORD_HEADER.size <= len(data):
            _, _, captured_bytes, _ = RECORD_HEADER.unpack_from(data, at)
            after = at + RECORD_HEADER.size + captured_bytes
            if after > len(data):
                break
            at = after
            count += 1
        self._record_at, self._packet_count = at, count


def _is_capture(data: mmap.mmap) -> bool:
    """Say whether a file begins as one that tcpdump writes here."""
    return len(data) >= FILE_HEADER_BYTES and struct.unpack_from("=I", data)[0] in MAGIC_NUMBERS
