"""What crossed one port: digests to compare with the guest's capture, and a capture of its own."""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mptcp_check.middleboxes.frame import TCP, ip_packet
from mptcp_check.model import FRAME_DIRECTIONS, Direction

_DIGEST_BYTES = 8
_ENTRY = struct.Struct("<8sQB")

_PCAP_NS_MAGIC = 0xA1B23C4D
"""Nanosecond pcap, in the byte order of the writer (draft-ietf-opsawg-pcap, section 4)."""
_PCAP_HEADER = struct.Struct("<IHHiIII")
_PCAP_RECORD = struct.Struct("<IIII")
_LINKTYPE_ETHERNET = 1
_SNAP_BYTES = 262_144
_NS_PER_S = 10**9
_WRITE_BUFFER_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFrame:
    """One TCP frame that crossed a port."""

    digest: bytes
    """See `frame_digest`."""
    time_ns: int
    """Monotonic time of the switch."""
    direction: Direction


def frame_digest(frame: bytes) -> bytes | None:
    """Return what two observers of the same TCP frame must agree on, none for other frames.

    BLAKE2b of eight bytes over the frame up to the end of its IP packet: network cards pad short
    frames, and the padding is seen on one side only.
    """
    packet = ip_packet(frame)
    if packet is None or packet.protocol != TCP:
        return None
    return hashlib.blake2b(frame[: packet.end], digest_size=_DIGEST_BYTES).digest()


class WireRecord:
    """The TCP frames of one port in the order in which they crossed, 17 bytes for each."""

    def __init__(self) -> None:
        self._entries = bytearray()

    def add(self, frame: bytes, time_ns: int, direction: Direction) -> None:
        """Keep a frame's digest, if it is TCP."""
        digest = frame_digest(frame)
        if digest is not None:
            self._entries += _ENTRY.pack(digest, time_ns, FRAME_DIRECTIONS.index(direction))

    def frames(self) -> tuple[WireFrame, ...]:
        """Return what was kept."""
        return tuple(
            WireFrame(digest=digest, time_ns=time_ns, direction=FRAME_DIRECTIONS[direction])
            for digest, time_ns, direction in _ENTRY.iter_unpack(bytes(self._entries))
        )


class WireCapture:
    """A pcap file of every frame that crossed one port.

    A disk that is full ends the capture and not the run: `problem` then says so.

    Args:
        path: The file to make; its folder exists.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.problem = ""
        self._path = path
        self._file: BinaryIO = path.open("wb", buffering=_WRITE_BUFFER_BYTES)
        self._file.write(
            _PCAP_HEADER.pack(_PCAP_NS_MAGIC, 2, 4, 0, 0, _SNAP_BYTES, _LINKTYPE_ETHERNET)
        )

    def write(self, frame: bytes, wall_ns: int) -> None:
        """Append a frame.

        Args:
            frame: The frame.
            wall_ns: Time of day, nanoseconds since 1970.
        """
        if self.problem:
            return
        seconds, rest_ns = divmod(wall_ns, _NS_PER_S)
        try:
            self._file.write(_PCAP_RECORD.pack(seconds, rest_ns, len(frame), len(frame)) + frame)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Write what is buffered and close."""
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self.problem:
            self.problem = f"the wire capture {self._path} is not whole: {error.strerror}"
