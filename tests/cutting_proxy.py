"""A way to a server that breaks off after so many bytes of a request, or of its answer."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: close by RST."""


@dataclass
class Way:
    """What is to happen to the next request of a method, once."""

    port: int = 0
    method: bytes = b"PATCH"
    cut_at: int | None = None
    """Bytes of the request (header fields and body) that pass; then both ends are reset."""
    cut_answer_at: int | None = None
    """Bytes of the answer that pass."""
    cut_count: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def cutting(server_port: int) -> Iterator[Way]:
    """Give a way to a port of this computer."""
    way = Way()
    listening = socket.create_server(("127.0.0.1", 0))
    way.port = listening.getsockname()[1]
    threads: list[threading.Thread] = []
    clients: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                clients.append(client)
                thread = threading.Thread(target=_carry, args=(way, client, server_port))
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield way
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for client in clients:
            with contextlib.suppress(OSError):  # most are closed
                client.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _carry(way: Way, client: socket.socket, server_port: int) -> None:
    """Carry bytes both ways; a request is what comes until the server has answered it."""
    request, answered, of_request = b"", 0, False
    with client, socket.create_connection(("127.0.0.1", server_port)) as server:
        while True:
            ready = select.select([client, server], [], [])[0]
            for end in ready:
                octets = _read(end)
                if not octets:
                    return
                if end is client:
                    if answered:
                        request, answered = b"", 0
                    passed = len(request)
                    request += octets
                    of_request = request.startswith(way.method)
                    cut = way.cut_at if of_request else None
                    if cut is not None and len(request) >= cut:
                        server.sendall(octets[: max(0, cut - passed)])
                        _reset(way, client, server)
                        return
                    server.sendall(octets)
                    continue
                cut = way.cut_answer_at if of_request else None
                if cut is not None and answered + len(octets) >= cut:
                    client.sendall(octets[: max(0, cut - answered)])
                    _reset(way, client, server)
                    return
                answered += len(octets)
                client.sendall(octets)


def _read(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""


def _reset(way: Way, client: socket.socket, server: socket.socket) -> None:
    way.cut_at = way.cut_answer_at = None
    way.cut_count += 1
    # the server's end orderly: what passed must arrive, and not be thrown away by the reset
    server.shutdown(socket.SHUT_WR)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
