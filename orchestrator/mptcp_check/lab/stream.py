"""The lab's light exchange: two streams of bytes over one connection, each with its digest.

Whoever speaks first sends an opening, the other answers with one; then both wait until the further
subflows have joined or will not, and each sends its payload, the first speaker first.  The
openings are FTP commands, so that a gateway that edits them finds something to edit.
"""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mptcp_check import clock
from mptcp_check.machines.namespace import entered
from mptcp_check.model import Side, Transport
from mptcp_guest.messages import Content, Digest
from mptcp_guest.payload import blocks

PORT: Final = 21
"""Gateways look at it."""
PAYLOAD_BYTES: Final = 200_000
CONNECT_S: Final = 4.0
"""SYNs with MP_CAPABLE that vanish cost 3.07 s before Linux 6.18 tries without."""
IDLE_S: Final = 3.5
"""Without a byte for so long it hangs; a path that dies stalls the others for 2.7 s."""
TOTAL_S: Final = 9.0
JOIN_S: Final = 2.6
"""Time for three SYNs in vain, one each second: fewer may be chance."""
_POLL_S: Final = 0.01
_LOOK_S: Final = 0.2
_RECEIVE_BYTES: Final = 65_536
_TCP_IS_MPTCP: Final = 43
"""getsockopt of Linux 5.16: 1 unless the connection has fallen back (tcp(7))."""
_PROTOCOLS: Final = {Transport.MPTCP: 262, Transport.TCP: socket.IPPROTO_TCP}

OPENINGS: Final = {
    Side.CLIENT: b"USER mptcp\r\nPORT 10,77,0,1,200,21\r\n",
    Side.SERVER: b"220 mptcp-check\r\n227 Entering Passive Mode (10,77,0,2,200,21)\r\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What became of it, as both programs saw it."""

    start_ns: int
    """Time of day."""
    end_ns: int
    duration_ns: int
    connect_ns: int | None
    """How long the client's connect took; none if it failed."""
    sent: dict[Side, Digest]
    """What each side was to send."""
    arrived: dict[Side, Digest]
    """What came of it at the other side."""
    still_mptcp: bool
    """Whether the client's socket spoke MPTCP when it was done."""
    problems: tuple[str, ...]
    """What either program stumbled over."""
    hung: bool
    """A deadline passed."""

    @property
    def whole(self) -> bool:
        """Whether both streams arrived as they were sent."""
        return self.sent == self.arrived


class _End:
    """One program: what it received, and what stopped it."""

    def __init__(self, side: Side, payload: bytes, deadline_ns: int, *, urgent: bool) -> None:
        self.side = side
        self.stream = OPENINGS[side] + payload
        self.received = bytearray()
        self.problem = ""
        self.hung = False
        self._deadline_ns = deadline_ns
        self._urgent = urgent

    def arm(self, connection: socket.socket, idle_s: float = IDLE_S) -> None:
        left_s = (self._deadline_ns - clock.monotonic_ns()) / 1e9
        if left_s <= 0:
            raise TimeoutError("not done in time")
        connection.settimeout(min(idle_s, left_s))

    def send(self, connection: socket.socket, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.arm(connection)
            view = view[connection.send(view[:_RECEIVE_BYTES]) :]

    def receive(self, connection: socket.socket, until_bytes: int) -> None:
        while len(self.received) < until_bytes:
            self.arm(connection)
            data = connection.recv(until_bytes - len(self.received))
            if not data:
                raise EOFError("the peer closed early")
            self.received += data

    def play(
        self,
        connection: socket.socket,
        *,
        other: "_End",
        first: bool,
        settled: Callable[[], bool],
    ) -> None:
        """Do this side's half of the exchange, then wait for the other's end."""
        opening, theirs = len(OPENINGS[self.side]), len(OPENINGS[other.side])

        def send_opening() -> None:
            plain = opening - self._urgent
            self.send(connection, self.stream[:plain])
            if self._urgent:
                connection.send(self.stream[plain:opening], socket.MSG_OOB)

        def send_payload() -> None:
            self.send(connection, self.stream[opening:])

        steps: list[Callable[[], None]] = [
            send_opening,
            lambda: self.receive(connection, theirs),
            lambda: _wait(settled),
            send_payload,
            lambda: self.receive(connection, len(other.stream)),
        ]
        order = (0, 1, 2, 3, 4) if first else (1, 0, 2, 4, 3)
        for step in order:
            steps[step]()
        if self.side is Side.CLIENT:
            connection.shutdown(socket.SHUT_WR)
        self.arm(connection)
        if connection.recv(1):
            raise EOFError("more came than was sent")

    def note(self, error: Exception) -> None:
        self.hung = self.hung or isinstance(error, TimeoutError)
        self.problem = f"{self.side}: {str(error) or type(error).__name__}"


def stream(
    *,
    namespace: Callable[[Side], str],
    address: str,
    first: Side,
    seed: str,
    transport: Transport = Transport.MPTCP,
    settled: Callable[[], bool] = lambda: True,
    payload_bytes: int = PAYLOAD_BYTES,
    urgent: bool = False,
) -> Streamed:
    """Run one exchange between two namespaces; it never hangs and never raises for the network.

    Args:
        namespace: Where each side's sockets are made.
        address: The server's.
        first: Who speaks first.
        seed: Makes the payloads.
        transport: What both sockets speak.
        settled: Whether the further subflows have joined, or will not.
        payload_bytes: Each way.
        urgent: Whether each opening's last byte is urgent, and read in its place (RFC 6093, 4).
    """
    start_ns, started_ns = clock.wall_ns(), clock.monotonic_ns()
    deadline_ns = started_ns + int(TOTAL_S * 1e9)
    client, server = (
        _End(
            side,
            b"".join(blocks(Content(seed=f"{seed}/{side}", bytes=payload_bytes))),
            deadline_ns,
            urgent=urgent,
        )
        for side in (Side.CLIENT, Side.SERVER)
    )
    connection, listener = (
        _socket(namespace(side), address, transport, urgent=urgent)
        for side in (Side.CLIENT, Side.SERVER)
    )
    failed = threading.Event()

    def quiet() -> bool:
        # what has fallen back has one subflow for good
        return failed.is_set() or settled() or not _speaks_mptcp(connection)

    def serve() -> None:
        try:
            with _accepted(listener, server, failed) as accepted:
                server.play(accepted, other=client, first=first is Side.SERVER, settled=quiet)
        except (OSError, EOFError) as error:
            server.note(error)
        finally:
            listener.close()

    connect_ns: int | None = None
    with connection:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, PORT))
        listener.listen()
        thread = threading.Thread(target=serve, name="stream server", daemon=True)
        thread.start()
        try:
            client.arm(connection, CONNECT_S)
            connection.connect((address, PORT))
            connect_ns = clock.monotonic_ns() - started_ns
            client.play(connection, other=server, first=first is Side.CLIENT, settled=quiet)
        except (OSError, EOFError) as error:
            client.note(error)
            failed.set()
        still_mptcp = _speaks_mptcp(connection)
        ended_ns = clock.monotonic_ns()
    thread.join(TOTAL_S)
    return Streamed(
        start_ns=start_ns,
        end_ns=clock.wall_ns(),
        duration_ns=ended_ns - started_ns,
        connect_ns=connect_ns,
        sent={end.side: _digest(end.stream) for end in (client, server)},
        arrived={
            Side.CLIENT: _digest(bytes(server.received)),
            Side.SERVER: _digest(bytes(client.received)),
        },
        still_mptcp=still_mptcp,
        problems=tuple(end.problem for end in (client, server) if end.problem),
        # a server that nobody reaches waits, and does not hang
        hung=client.hung or (server.hung and connect_ns is not None),
    )


def _socket(namespace: str, address: str, transport: Transport, *, urgent: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with entered(namespace):
        made = socket.socket(family, socket.SOCK_STREAM, _PROTOCOLS[transport])
    if urgent:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    return made


def _accepted(listener: socket.socket, server: _End, failed: threading.Event) -> socket.socket:
    """Return the connection that comes, unless its client has failed already."""
    deadline_ns = clock.monotonic_ns() + int((CONNECT_S + _LOOK_S) * 1e9)
    while not failed.is_set() and clock.monotonic_ns() < deadline_ns:
        server.arm(listener, _LOOK_S)
        with contextlib.suppress(TimeoutError):
            return listener.accept()[0]
    raise TimeoutError("nobody came")


def joined_digest(digests: dict[Side, Digest]) -> Digest:
    """Return one digest of both directions; PURE."""
    text = "".join(digests[side]["sha256"] for side in Side)
    return Digest(
        bytes=sum(digest["bytes"] for digest in digests.values()),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _digest(data: bytes) -> Digest:
    return Digest(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _speaks_mptcp(connection: socket.socket) -> bool:
    return bool(connection.getsockopt(socket.IPPROTO_TCP, _TCP_IS_MPTCP))


def _wait(settled: Callable[[], bool]) -> None:
    """Wait until the subflows are what they will be, if that is ever so."""
    end_ns = clock.monotonic_ns() + int(JOIN_S * 1e9)
    while not settled() and clock.monotonic_ns() < end_ns:
        time.sleep(_POLL_S)
