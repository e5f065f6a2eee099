"""A port for one network interface of a QEMU machine: a unix socket that QEMU connects to."""

import contextlib
import enum
import selectors
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.errors import MachineError
from mptcp_check.machines.stream_framing import Deframer, framed
from mptcp_check.machines.wire_record import WireCapture, WireRecord
from mptcp_check.middleboxes.behaviour import opposite
from mptcp_check.model import Direction

MAX_PATH_BYTES = 103
"""sun_path holds 104 bytes on macOS and 108 on Linux, one of them for the end."""
MAX_WAITING_BYTES = 4 * 2**20
"""What a machine that reads slowly may leave waiting; more is dropped, as a switch does."""

_RECEIVE_BYTES = 262_144
_SEND_BYTES = 262_144
_SOCKET_BUFFER_BYTES = 2**20
"""macOS gives unix sockets 8 KiB if not asked for more."""


class PortState(enum.StrEnum):
    """Where a port is in its life; it never goes back."""

    WAITING = "waiting"
    """No machine has connected yet."""
    CONNECTED = "connected"
    GONE = "gone"
    """The machine closed its end, or sent what cannot be a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortStatus:
    """A snapshot of one port."""

    state: PortState
    problem: str
    """Why the port is gone, or why its capture is not whole; empty when all is well."""
    received_count: int
    """Frames from the machine."""
    received_bytes: int
    sent_count: int
    """Frames to the machine."""
    sent_bytes: int
    queue_dropped_count: int
    """Frames dropped because the machine read too slowly."""
    unplugged_dropped_count: int
    """Frames for a machine that was not there."""


_COUNTS = (
    "received_count",
    "received_bytes",
    "sent_count",
    "sent_bytes",
    "queue_dropped_count",
    "unplugged_dropped_count",
)


class StreamPort:
    """One unix socket: listens, takes one machine, and never blocks.

    Args:
        path: Where to listen; made here, removed when the machine has connected.
        direction: Which way the machine's frames travel.
        clock: Monotonic nanoseconds, for records.
        wall_clock: Nanoseconds since 1970, for the capture.
        capture: Gets every frame, if given.

    Raises:
        MachineError: The path is too long for a unix socket, or cannot be listened at.
    """

    def __init__(
        self,
        path: Path,
        direction: Direction,
        *,
        clock: Callable[[], int],
        wall_clock: Callable[[], int],
        capture: WireCapture | None = None,
    ) -> None:
        self.path = path
        self.record: WireRecord | None = None
        """Gets the digest of every TCP frame while there is one."""
        self._direction = direction
        self._clock = clock
        self._wall_clock = wall_clock
        self._capture = capture
        self._state = PortState.WAITING
        self._problem = ""
        self._deframer = Deframer()
        self._waiting = bytearray()
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._socket = _listener(path)

    def status(self) -> PortStatus:
        """Return a snapshot; call it in the thread that runs the port."""
        problem = self._problem or (self._capture.problem if self._capture else "")
        return PortStatus(state=self._state, problem=problem, **self._counts)

    def watched(self) -> tuple[socket.socket, int] | None:
        """See `forwarding.Port`."""
        if self._state is PortState.GONE:
            return None
        return self._socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)

    def receive(self) -> Sequence[bytes]:
        """See `forwarding.Port`; the first thing to receive is the machine's connection."""
        if self._state is PortState.WAITING:
            self._accept()
            return ()
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return ()
        except OSError as error:
            self._lose(f"reading failed: {error.strerror}")
            return ()
        if not data:
            self._lose("the machine closed its network interface")
            return ()
        frames = self._deframer.feed(data)
        self._note(frames, self._direction)
        self._counts["received_count"] += len(frames)
        self._counts["received_bytes"] += sum(map(len, frames))
        if self._deframer.problem:
            self._lose(self._deframer.problem)
        return frames

    def enqueue(self, frame: bytes) -> None:
        """See `forwarding.Port`."""
        if self._state is not PortState.CONNECTED:
            self._counts["unplugged_dropped_count"] += 1
        elif len(self._waiting) + len(frame) > MAX_WAITING_BYTES:
            self._counts["queue_dropped_count"] += 1
        else:
            self._waiting += framed(frame)
            self._note((frame,), opposite(self._direction))
            self._counts["sent_count"] += 1
            self._counts["sent_bytes"] += len(frame)

    def flush(self) -> None:
        """See `forwarding.Port`."""
        while self._waiting:
            try:
                with memoryview(self._waiting) as view, view[:_SEND_BYTES] as piece:
                    sent_bytes = self._socket.send(piece)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(f"writing failed: {error.strerror}")
                return
            del self._waiting[:sent_bytes]

    def close(self) -> None:
        """See `forwarding.Port`; the socket's file goes too."""
        self._socket.close()
        self.path.unlink(missing_ok=True)
        if self._capture is not None:
            self._capture.close()

    def _accept(self) -> None:
        try:
            connection = self._socket.accept()[0]
        except OSError:  # it went away again before it was taken; the next one may come
            return
        connection.settimeout(0)
        _enlarge(connection)
        # One machine per port: whoever comes later finds no socket.
        self._socket.close()
        self.path.unlink(missing_ok=True)
        self._socket = connection
        self._state = PortState.CONNECTED

    def _lose(self, problem: str) -> None:
        self._state = PortState.GONE
        self._problem = problem
        self._socket.close()
        self._waiting.clear()

    def _note(self, frames: Sequence[bytes], direction: Direction) -> None:
        """Record and capture frames; one reading of the clocks serves those that came together."""
        if self.record is not None:
            now_ns = self._clock()
            for frame in frames:
                self.record.add(frame, now_ns, direction)
        if self._capture is not None:
            now_ns = self._wall_clock()
            for frame in frames:
                self._capture.write(frame, now_ns)


def _listener(path: Path) -> socket.socket:
    length = len(str(path).encode())
    if length > MAX_PATH_BYTES:
        raise MachineError(
            f"the socket path {path} has {length} bytes; {MAX_PATH_BYTES} are possible",
            hint="set TMPDIR to a short path",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(0)
    except OSError as error:
        listener.close()
        raise MachineError(f"cannot listen at {path}: {error.strerror}") from error
    return listener


def _enlarge(connection: socket.socket) -> None:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):  # a smaller buffer is slower, not wrong
            connection.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
