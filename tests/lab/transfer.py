"""One request and one answer, as HTTP does it, over an MPTCP or a TCP socket of a namespace."""

import array
import contextlib
import fcntl
import hashlib
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mptcp_check.machines.namespace import entered
from mptcp_check.model import Transfer, Transport

PORT = 8080
_IPPROTO_MPTCP = 262
_TCP_IS_MPTCP = 43
"""getsockopt of Linux 5.16: 1 unless the connection has fallen back (tcp(7))."""
_CHUNK_BYTES = 65_536
_POLL_S = 0.005
_LOOK_S = 0.05
_ACKNOWLEDGED_S = 0.25
"""How long an acknowledgment of a message may take, delayed ones and a busy computer included."""
_TIOCOUTQ = 0x5411
"""ioctl_tty(2): of a socket, the bytes that nobody has acknowledged (tcp(7), SIOCOUTQ)."""
_PROTOCOLS = {Transport.MPTCP: _IPPROTO_MPTCP, Transport.TCP: socket.IPPROTO_TCP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What became of it, as the two applications saw it."""

    connect_s: float | None
    """How long the client's connect took; none if it failed."""
    duration_s: float
    sent_sha256: str
    """Of the payload that was to be carried."""
    arrived_sha256: str
    """Of the payload that the receiver got, whole or not."""
    arrived_bytes: int
    still_mptcp: bool
    """Whether the client's socket spoke MPTCP at the end."""
    errors: tuple[str, ...]
    """What the client's and the server's program stumbled over; a time-out is a hang."""

    @property
    def whole(self) -> bool:
        """Whether every byte arrived as it was sent."""
        return self.sent_sha256 == self.arrived_sha256


class _End:
    """One of the two programs: a socket with a deadline, and what it received."""

    def __init__(self, deadline: float, join_s: float, chunk_bytes: int, pause_s: float) -> None:
        self.deadline = deadline
        self.join_s = join_s
        self.chunk_bytes = chunk_bytes
        self.pause_s = pause_s
        self.body = b""
        self.error = ""

    def wait(self, settled: Callable[[], bool]) -> None:
        """Wait until the subflows are what they will be, if that is ever so."""
        end = min(self.deadline, time.monotonic() + self.join_s)  # noqa: TID251 - a test
        while not settled() and time.monotonic() < end:  # noqa: TID251 - a test
            time.sleep(_POLL_S)

    def arm(self, connection: socket.socket) -> None:
        connection.settimeout(max(0.01, self.deadline - time.monotonic()))  # noqa: TID251 - a test

    def send(self, connection: socket.socket, data: bytes) -> None:
        for start in range(0, len(data), self.chunk_bytes):
            time.sleep(self.pause_s)
            if self.pause_s:
                self.await_acknowledgment(connection)
            self.arm(connection)
            connection.sendall(data[start : start + self.chunk_bytes])

    def await_acknowledgment(self, connection: socket.socket) -> None:
        """Wait until the message before is acknowledged, if that is ever so."""
        waiting = array.array("i", [0])
        for _ in range(int(_ACKNOWLEDGED_S / _POLL_S)):
            fcntl.ioctl(connection, _TIOCOUTQ, waiting)
            if not waiting[0]:
                return
            time.sleep(_POLL_S)

    def read_message(self, connection: socket.socket) -> None:
        """Read a header and the body whose length it tells; `body` grows as it arrives."""
        buffer = bytearray()
        while b"\r\n\r\n" not in buffer:
            buffer += self.read(connection)
        header, _, rest = bytes(buffer).partition(b"\r\n\r\n")
        length = int(header.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        body = bytearray(rest)
        self.body = bytes(body)
        while len(body) < length:
            body += self.read(connection)
            self.body = bytes(body)

    def read(self, connection: socket.socket) -> bytes:
        self.arm(connection)
        data = connection.recv(_CHUNK_BYTES)
        if not data:
            raise EOFError("the peer closed early")
        return data


def transfer(
    *,
    client_namespace: str,
    server_namespace: str,
    address: str,
    transport: Transport = Transport.MPTCP,
    direction: Transfer = Transfer.DOWNLOAD,
    payload_bytes: int = 300_000,
    deadline_s: float = 60.0,
    join_s: float = 20.0,
    chunk_bytes: int = _CHUNK_BYTES,
    pause_s: float = 0.0,
    no_delay: bool = False,
    settled: Callable[[], bool] = lambda: True,
    seed: int = 1,
) -> Transferred:
    """Run one exchange between the namespaces and say how it went; never hangs.

    The sender writes ``chunk_bytes`` at a time, after a pause each and once what it wrote before is
    acknowledged: small chunks become one DSS mapping each, and none is in flight with another.
    With ``no_delay`` each becomes a segment of its own at once.

    Between the header of the request and the payload both ends wait until ``settled`` says that
    the second subflow is there or will not come: a busy computer may not have it in time else.
    One that can neither come nor be refused is waited for ``join_s``.
    """
    payload = random.Random(seed).randbytes(payload_bytes)  # noqa: S311 - reproducible
    started = time.monotonic()  # noqa: TID251 - a test
    client, server = (_End(started + deadline_s, join_s, chunk_bytes, pause_s) for _ in range(2))
    download = direction is Transfer.DOWNLOAD
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with entered(server_namespace):
        listener = socket.socket(family, socket.SOCK_STREAM, _PROTOCOLS[transport])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, PORT))
        listener.listen()
    with entered(client_namespace):
        connection = socket.socket(family, socket.SOCK_STREAM, _PROTOCOLS[transport])
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, no_delay)

    def quiet() -> bool:
        # What has fallen back has one subflow for good.
        return settled() or not is_mptcp(connection)

    failed = threading.Event()

    def serve() -> None:
        try:
            with _accepted(listener, failed) as accepted:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, no_delay)
                server.read_message(accepted)
                server.wait(quiet)
                server.send(accepted, _message(b"HTTP/1.1 200 OK", payload if download else b""))
        except (OSError, EOFError, ValueError) as error:
            server.error = f"server: {error!r}"

    thread = threading.Thread(target=serve)
    thread.start()
    connect_s: float | None = None
    still_mptcp = False
    with connection:
        try:
            client.arm(connection)
            connection.connect((address, PORT))
            connect_s = time.monotonic() - started  # noqa: TID251 - a test
            request = b"GET /payload HTTP/1.1" if download else b"PUT /payload HTTP/1.1"
            if not (download or quiet()):
                client.send(connection, _header(request, len(payload)))
                client.wait(quiet)
                client.send(connection, payload)
            else:
                client.send(connection, _message(request, b"" if download else payload))
            client.read_message(connection)
        except (OSError, EOFError, ValueError) as error:
            client.error = f"client: {error!r}"
            failed.set()
        still_mptcp = is_mptcp(connection)
        duration_s = time.monotonic() - started  # noqa: TID251 - a test
    thread.join()
    listener.close()
    arrived = client.body if download else server.body
    return Transferred(
        connect_s=connect_s,
        duration_s=duration_s,
        sent_sha256=hashlib.sha256(payload).hexdigest(),
        arrived_sha256=hashlib.sha256(arrived).hexdigest(),
        arrived_bytes=len(arrived),
        still_mptcp=still_mptcp,
        errors=tuple(error for error in (client.error, server.error) if error),
    )


def _accepted(listener: socket.socket, failed: threading.Event) -> socket.socket:
    """Return the connection that comes, unless its client has failed already."""
    while not failed.is_set():
        listener.settimeout(_LOOK_S)
        with contextlib.suppress(TimeoutError):
            return listener.accept()[0]
    raise EOFError("nobody came")


def is_mptcp(connection: socket.socket) -> bool:
    """Say whether a socket speaks MPTCP now."""
    return bool(connection.getsockopt(socket.IPPROTO_TCP, _TCP_IS_MPTCP))


def _message(start: bytes, body: bytes) -> bytes:
    return _header(start, len(body)) + body


def _header(start: bytes, body_bytes: int) -> bytes:
    return start + b"\r\nContent-Length: %d\r\n\r\n" % body_bytes
