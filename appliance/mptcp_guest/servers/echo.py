"""A server that gives back what it gets, as RFC 862 has it, and keeps a copy; or hands out a file.

    python3 -m mptcp_guest.servers.echo ADDRESS PORT FILES USER client|server [CONNECTIONS]

The client says one line, ``up NAME SIZE`` or ``down NAME``.  Where the server is the first to
speak it greets before that: boxes that wait for a client's data, and kernels that fall back when
the first data comes from the other side, see another conversation then.
"""

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mptcp_guest.naming import is_name
from mptcp_guest.servers import listening
from mptcp_guest.servers.listening import BLOCK_BYTES
from mptcp_guest.servers.places import handed_out, taken, way_to

GREETING = b"mptcp-check echo\r\n"
LINE_BYTES = 100
SIZE_BYTES_MAX = 256 * 1024 * 1024
"""Nobody fills this machine's memory."""

SERVER = "server"
"""Who speaks first, when it is not the client."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    name: str
    up_bytes: int | None
    """How much it sends and wants back; none when it wants the file of that name."""


def read_request(line: bytes) -> Request | None:
    """Read a request line; nothing when it is none; PURE."""
    words = line.decode("ascii", errors="replace").split()
    match words:
        case ["down", name] if is_name(name):
            return Request(name, None)
        case ["up", name, size] if is_name(name) and size.isascii() and size.isdecimal():
            # a number of that many digits is too much, whatever it is
            count = int(size) if len(size) < len(str(SIZE_BYTES_MAX)) + 1 else SIZE_BYTES_MAX + 1
            return Request(name, count) if count <= SIZE_BYTES_MAX else None
    return None


def request_line(request: Request) -> bytes:
    """Return a request as a client says it; PURE."""
    if request.up_bytes is None:
        return f"down {request.name}\r\n".encode()
    return f"up {request.name} {request.up_bytes}\r\n".encode()


def talk(connection: socket.socket, stream: BinaryIO, files: Path, *, greets: bool) -> None:
    """Serve one client.

    Raises:
        OSError: It went away.
    """
    if greets:
        connection.sendall(GREETING)
    request = read_request(stream.readline(LINE_BYTES))
    if request is None:
        return
    if request.up_bytes is None:
        with handed_out(way_to(files, "down", request.name)) as file:
            connection.sendfile(file)
        return
    left = request.up_bytes
    with taken(way_to(files, "up", request.name)) as file:
        while left and (block := stream.read1(min(left, BLOCK_BYTES))):  # type: ignore[attr-defined]
            file.write(block)
            connection.sendall(block)
            left -= len(block)


def main(*words: str) -> None:
    """Serve without end."""
    address, port, files, user, first, *count = words
    listener = listening.listening(address, int(port))
    listening.become(user)
    listening.serve(
        listener,
        lambda connection, stream: talk(connection, stream, Path(files), greets=first == SERVER),
        connections_count=int(count[0]) if count else listening.CONNECTIONS_COUNT,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
