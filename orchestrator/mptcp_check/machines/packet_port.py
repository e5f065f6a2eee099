"""A port on a network interface: whole Ethernet frames through an AF_PACKET socket (Linux, root).

Offloads must be off on the interface and on its peer: otherwise the kernel hands over segments of
64 KiB with half-made checksums, which no wire carries.
"""

import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Sequence

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_IGNORE_OUTGOING = 23
"""Linux 4.20: do not hand back what this socket itself sends (packet(7))."""
_RECEIVE_BYTES = 65_536
_FRAMES_PER_ROUND = 64
_SOCKET_BUFFER_BYTES = 8 * 2**20
_MAX_WAITING_FRAMES = 4096


class PacketPort:
    """One interface, opened in the network namespace of the thread that makes this object.

    Args:
        interface: Its name there.
    """

    def __init__(self, interface: str) -> None:
        self.queue_dropped_count = 0
        self._waiting: deque[bytes] = deque()
        # Protocol 0 hears nothing; the bind says the interface and the protocol in one step.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self._socket.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
            self._socket.settimeout(0)
            self._socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise

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
            self.queue_dropped_count += 1
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
                self.queue_dropped_count += 1
            self._waiting.popleft()

    def close(self) -> None:
        """See `forwarding.Port`."""
        self._socket.close()
