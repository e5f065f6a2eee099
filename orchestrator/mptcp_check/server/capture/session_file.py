"""The file of one session's capture: quotas, a full disk, and an end that says what is missing."""

import hashlib
import os
from pathlib import Path
from typing import Final

import numpy as np

from mptcp_check.analysis.capture import packet_blocks
from mptcp_check.analysis.capture.capture_file import frame
from mptcp_check.new_folder import DISK_FULL

LINK_TYPE_RAW: Final = 101
"""Packets begin with their IP header: no MAC address of the server's network is kept."""

BUFFER_BYTES: Final = 65_536
ROOM_LEFT_BYTES: Final = 131_072
"""What a full disk gets back of the last write: the session's own record must still fit."""
FLOWS_MAX: Final = 20_000
"""Connections of one session that are remembered."""


class SessionFile:
    """Grows by whole blocks; ends whole whatever happens.

    Args:
        path: The file; one that is there from before a restart is gone on with.
        name: What the interface is called.
        bytes_max: Its largest size.
        packets_max: How many packets it may hold.
    """

    def __init__(self, path: Path, *, name: str, bytes_max: int, packets_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._packets_max = packets_max
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self.packet_count = 0
        self.missed_packet_count = 0
        self.truncated = ""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o640)
        self._size = 0
        self._head = packet_blocks.head(
            link_type=LINK_TYPE_RAW, name=name, application="mptcp-check server"
        )
        self._take_up()

    @property
    def size_bytes(self) -> int:
        """Bytes of the file, those that wait to be written included."""
        return self._size + self._buffered_bytes

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def add(self, blocks: bytes, packet_count: int) -> bool:
        """Take packets, all or none; return whether this was what truncated the capture."""
        if not self.truncated:
            reason = self._beyond(len(blocks), packet_count)
            if not reason:
                self._buffer.append(blocks)
                self._buffered_bytes += len(blocks)
                self.packet_count += packet_count
                return self._buffered_bytes >= BUFFER_BYTES and not self.flush()
            self.truncated = reason
            self.missed_packet_count += packet_count
            return True
        self.missed_packet_count += packet_count
        return False

    def flush(self) -> bool:
        """Write what waits; return whether it could be written."""
        if not self._buffer:
            return True
        octets = b"".join(self._buffer)
        self._buffer, self._buffered_bytes = [], 0
        try:
            self._write(octets)
        except OSError as e:
            # The file ends with a packet that went in whole; what is not in it is counted.
            there = os.fstat(self._descriptor).st_size - self._size - ROOM_LEFT_BYTES
            kept_count, kept_bytes = _whole_in(octets, max(there, 0))
            self._size += kept_bytes
            os.ftruncate(self._descriptor, self._size)
            lost = _whole_in(octets, len(octets))[0] - kept_count
            self.packet_count -= lost
            self.missed_packet_count += lost
            self.truncated = self.truncated or (
                "disk_full" if e.errno in DISK_FULL else "write_error"
            )
            return False
        self._size += len(octets)
        return True

    def finish(self, *, time_ns: int, dropped_count: int, comment: str) -> str:
        """Put the packets in the order of time, end the file, and return its SHA-256."""
        self.flush()
        octets = os.pread(self._descriptor, self._size, 0)
        ordered = _in_order(octets, self._head)
        tail = packet_blocks.tail(time_ns=time_ns, dropped_count=dropped_count, comment=comment)
        self._size = 0
        whole = ordered + tail
        try:
            self._write(whole)
        except OSError:
            # It has the same length up to its last block, which the disk has no room for.
            whole = ordered
        self._size = len(whole)
        os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)
        self.close()
        return hashlib.sha256(whole).hexdigest()

    def close(self) -> None:
        """Leave the file as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _beyond(self, more_bytes: int, more_packets: int) -> str:
        if self.size_bytes + more_bytes > self._bytes_max:
            return "bytes"
        if self.packet_count + more_packets > self._packets_max:
            return "packets"
        return ""

    def _write(self, octets: bytes) -> None:
        view, at = memoryview(octets), self._size
        while view:
            written = os.pwrite(self._descriptor, view, at)
            view, at = view[written:], at + written

    def _take_up(self) -> None:
        """Begin the file, or find the last whole block of one from before a restart."""
        octets = os.pread(self._descriptor, self._bytes_max + BUFFER_BYTES, 0)
        if octets.startswith(self._head):
            offsets = frame(np.frombuffer(octets, np.uint8)).records
            end = len(self._head)
            if len(offsets.offset):
                captured = int(offsets.captured[-1])
                end = int(offsets.offset[-1]) + captured + (-captured % 4) + 4
            self.packet_count = len(offsets.offset)
            self._size = min(end, len(octets))
        else:
            self._write(self._head)
            self._size = len(self._head)
        os.ftruncate(self._descriptor, self._size)


def _whole_in(octets: bytes, end: int) -> tuple[int, int]:
    """Return how many packet blocks end before an offset, and where the last of them does."""
    count = at = 0
    while at + 8 <= end:
        after = at + int.from_bytes(octets[at + 4 : at + 8], "little")
        if after > end:
            break
        at = after
        count += 1
    return count, at


def _in_order(octets: bytes, head: bytes) -> bytes:
    buffer = np.frombuffer(octets, dtype=np.uint8)
    buffer.flags.writeable = False
    records = frame(buffer).records
    order = np.argsort(records.time_ns, kind="stable").astype(np.int64)
    return head + packet_blocks.blocks(buffer, records, order)
