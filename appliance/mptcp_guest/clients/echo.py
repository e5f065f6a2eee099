"""The client of `mptcp_guest.servers.echo`.

    @own echo ADDRESS PORT NAME up|down client|server WITHIN_S

It sends `SENT_FILE` and compares what comes back, or leaves what it fetched in `ARRIVED_FILE`.
"""

import socket
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.servers.echo import GREETING, SERVER, Request, request_line
from mptcp_guest.servers.listening import BLOCK_BYTES


def main(*words: str) -> str:
    """Do one exchange and return what is wrong, nothing when all is well.

    Raises:
        OSError: The server went away, or is not there.
    """
    address, port, name, way, first, within_s = words
    with (
        socket.create_connection((address, int(port)), timeout=float(within_s)) as connection,
        connection.makefile("rb") as stream,
    ):
        if first == SERVER:
            greeting = stream.readline(len(GREETING))
            if greeting != GREETING:
                return f"the server greeted with {greeting!r}"
        if way == "down":
            connection.sendall(request_line(Request(name, None)))
            _keep(stream, Path(ARRIVED_FILE))
            return ""
        return _echoed(connection, stream, name, Path(SENT_FILE))


def _keep(stream: BinaryIO, path: Path) -> None:
    with path.open("wb") as file:
        while block := stream.read(BLOCK_BYTES):
            file.write(block)


def _echoed(connection: socket.socket, stream: BinaryIO, name: str, path: Path) -> str:
    size = path.stat().st_size

    def send() -> None:
        with path.open("rb") as file:
            connection.sendall(request_line(Request(name, size)))
            connection.sendfile(file)

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    with path.open("rb") as file:
        while expected := file.read(BLOCK_BYTES):
            came = stream.read(len(expected))
            if came != expected:
                return f"{len(came)} of {len(expected)} bytes came back, or other ones"
    sending.join()
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
