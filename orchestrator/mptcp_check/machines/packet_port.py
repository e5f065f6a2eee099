"""A port on a network interface: whole Ethernet frames through an AF_PACKET socket (Linux, root).

Offloads must be off on the interface and on its peer: otherwise the kernel hands over segments of
64 KiB with half-made checksums, which no wire carries.
"""

import contextlib
import selectors
import socket
import struct
from collections import deque
from collections.abc import Sequence

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_IGNORE_OUTGOING = 23
"""Linux 4.20: do not hand back what this socket itself sends (packet(7))."""
_RECEIVE_BYTES = 65_536
_FRAMES_PER_ROUND = 64
_PACKET_STATISTICS = 6
_STATISTICS = struct.Struct("@II")
"""struct tpacket_stats: packets, and how many of them found no room (packet(7))."""
_BUFFERS = (("SO_RCVBUF", 33), ("SO_SNDBUF", 32))
"""Options, and their kin SO_RCVBUFFORCE and SO_SNDBUFFORCE, which know no limit (socket(7))."""
_SOCKET_BUFFER_BYTES = 32 * 2**20
_MAX_WAITING_FRAMES = 4096


class PacketPort:
    """One interface, opened in the network namespace of the thread that makes this object.

    Args:
        interface: Its name there.
    """

    def __init__(self, interface: str) -> None:
        self._refused_count = self._unread_count = 0
        self._waiting: deque[bytes] = deque()
        # Protocol 0 hears nothing; the bind says the interface and the protocol in one step.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            # what a busy computer lets wait here is many times what its limits allow
            for name, force in _BUFFERS:
                try:
                    self._socket.setsockopt(socket.SOL_SOCKET, force, _SOCKET_BUFFER_BYTES)
                except PermissionError:  # in a user namespace the system's limit holds
                    option = getattr(socket, name)
                    self._socket.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
            self._socket.settimeout(0)
            self._socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise

    @property
    def queue_dropped_count(self) -> int:
        """Frames that the interface did not take, and those that were not read in time."""
        if self._socket.fileno() >= 0:
            said = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
            self._unread_count += _STATISTICS.unpack(said)[1]  # reading sets the kernel's to 0
        return self._refused_count + self._unread_count

    def watched(self) -> tuple[socket.socket, int] | None:
        """See `forwarding.Port`."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
        return self._socket, events

    def receive(self) -> Sequence[bytes]:
        """See `forwarding.Port`."""
        frames: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            # The extension keeps what was read before the socket ran dry.
            frames.extend(self._socket.recv(_RECEIVE_BYTES) for _ in range(_FRAMES_PER_ROUND))
        return frames

    def enqueue(self, frame: bytes) -> None:
        """See `forwarding.Port`."""
        if len(self._waiting) >= _MAX_WAITING_FRAMES:
            self._refused_count += 1
            return
        self._waiting.append(frame)

    def flush(self) -> None:
        """See `forwarding.Port`; a frame that the interface refuses is dropped and counted."""
        while self._waiting:
            try:
                self._socket.send(self._waiting[0])
            except BlockingIOError:
                return
            except OSError:  # too long for the interface, or its own queue is full
                self._refused_count += 1
            self._waiting.popleft()

    def close(self) -> None:
        """See `forwarding.Port`."""
        self._socket.close()
