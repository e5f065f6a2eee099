"""Capture inside a namespace, as its kernel sees its own interfaces: one packet socket for each.

The kernel stamps every packet, so that it does not matter how late it is read.  No tcpdump: that
wants to become another user, and a user namespace may hold one user only.
"""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Final

from mptcp_check.analysis.capture.pcapng_writer import InterfaceCapture
from mptcp_check.machines.namespace import entered
from mptcp_check.middleboxes.frame import TCP, ip_packet

_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_SO_TIMESTAMPNS: Final = 35
"""Numbers of Linux (packet(7), socket(7)) that the socket module lacks."""
_SO_RCVBUFFORCE: Final = 33
_BUFFER_BYTES: Final = 32 * 2**20
_FRAME_BYTES: Final = 65_536
_ANCILLARY_BYTES: Final = 64
_LOOK_S: Final = 0.05
_ICMP: Final = frozenset({1, 58})
"""Kept with TCP: errors are a path's way to speak (RFC 792, RFC 4443)."""

_PCAP_NS: Final = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
_RECORD: Final = struct.Struct("<IIII")
_TIMESPEC: Final = struct.Struct("@qq")
_STATISTICS: Final = struct.Struct("@II")


class Tap:
    """What one interface captured so far.

    Args:
        interface: Its name in the namespace that the calling thread is in.

    Raises:
        OSError: It is not there, or capturing is not allowed.
    """

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._pcap = bytearray(_PCAP_NS)
        self._received_count = self._dropped_count = 0
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
            except PermissionError:  # in a user namespace the system's limit holds
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self.socket.settimeout(0)
            self.socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self.socket.close()
            raise

    def drain(self) -> None:
        """Take what waits."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, ancillary, _, _ = self.socket.recvmsg(_FRAME_BYTES, _ANCILLARY_BYTES)
                packet = ip_packet(frame)
                if packet is not None and packet.protocol in {TCP, *_ICMP}:
                    seconds, rest_ns = _stamp(ancillary)
                    length = len(frame)
                    self._pcap += _RECORD.pack(seconds, rest_ns, length, length) + frame
                    self._received_count += 1

    def finish(self) -> InterfaceCapture:
        """Take what waits for the last time, close, and return the capture."""
        self.drain()
        said = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._dropped_count = _STATISTICS.unpack(said)[1]
        self.socket.close()
        return InterfaceCapture(
            name=self.interface,
            octets=bytes(self._pcap),
            received_count=self._received_count + self._dropped_count,
            dropped_count=self._dropped_count,
        )


class Taps:
    """Captures of some namespaces, read by one thread between `start` and `finish`."""

    def __init__(self) -> None:
        self._taps: dict[str, list[Tap]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taps", daemon=True)
        self._failure: OSError | None = None

    def start(self, namespace: str, interfaces: Sequence[str]) -> None:
        """Open the taps of a namespace; after the last one call `run`."""
        with entered(namespace):
            self._taps[namespace] = [Tap(interface) for interface in interfaces]

    def run(self) -> None:
        """Begin to read."""
        self._thread.start()

    def finish(self) -> dict[str, tuple[InterfaceCapture, ...]]:
        """End the captures and return them by namespace.

        Raises:
            OSError: An interface went away while it was captured.
        """
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return {name: tuple(tap.finish() for tap in taps) for name, taps in self._taps.items()}

    def close(self) -> None:
        """Close without looking at what was captured; harmless after `finish`."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        for taps in self._taps.values():
            for tap in taps:
                tap.socket.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for taps in self._taps.values():
                for tap in taps:
                    selector.register(tap.socket, selectors.EVENT_READ, tap)
            try:
                while not self._stop.is_set():
                    for key, _ in selector.select(_LOOK_S):
                        key.data.drain()
            except OSError as error:
                self._failure = error


def _stamp(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, int]:
    """Return seconds and nanoseconds since 1970, as the kernel stamped a packet."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, rest_ns = _TIMESPEC.unpack(data[: _TIMESPEC.size])
            return seconds, rest_ns
    return 0, 0
