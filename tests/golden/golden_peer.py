"""Both ends of the golden traffic: ``serve`` echoes on three ports, the others are clients."""

import contextlib
import hashlib
import socket
import struct
import subprocess
import sys
import threading
import time

IPPROTO_MPTCP = 262
LISTENERS = (
    (socket.AF_INET, "0.0.0.0", 8080, IPPROTO_MPTCP),  # noqa: S104 - joins come to any address
    (socket.AF_INET, "10.9.0.2", 8081, 0),
    (socket.AF_INET6, "fd09:0::2", 8082, IPPROTO_MPTCP),
)


def pattern(size: int) -> bytes:
    """Bytes that are the same on each run and do not repeat."""
    return b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(size // 32))


def echo(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(65536):
            connection.sendall(data)


def serve() -> None:
    for family, address, port, protocol in LISTENERS:
        listener = socket.socket(family, socket.SOCK_STREAM, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    threading.Event().wait()


def accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def endpoint(*arguments: str) -> None:
    """Change this namespace's endpoints while a connection is open."""
    subprocess.run(["ip", "mptcp", "endpoint", *arguments], check=True)
    time.sleep(0.3)


def exchange(family: int, protocol: int, address: str, port: int, size: int) -> socket.socket:
    """Send, wait until the further subflows are up, send again; return the open socket."""
    connection = socket.socket(family, socket.SOCK_STREAM, protocol)
    connection.connect((address, port))
    for part in (b"hello", pattern(size)):
        connection.sendall(part)
        left = len(part)
        while left:
            left -= len(connection.recv(65536))
        time.sleep(0.3)
    return connection


def talk() -> None:
    """Two paths, one taken away; IPv6; a server without Multipath TCP; plain TCP; an abort."""
    first = exchange(socket.AF_INET, IPPROTO_MPTCP, "10.9.0.2", 8080, 20_000)
    endpoint("change", "id", "1", "nobackup")
    endpoint("del", "id", "1")
    first.close()
    endpoint("add", "10.9.1.1", "dev", "path1", "id", "1", "subflow")
    exchange(socket.AF_INET6, IPPROTO_MPTCP, "fd09:0::2", 8082, 4_000).close()
    exchange(socket.AF_INET, IPPROTO_MPTCP, "10.9.0.2", 8081, 2_000).close()
    exchange(socket.AF_INET, 0, "10.9.0.2", 8081, 2_000).close()
    aborted = exchange(socket.AF_INET, IPPROTO_MPTCP, "10.9.0.2", 8080, 1_000)
    aborted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    aborted.close()


def transfer() -> None:
    """One connection with enough data for both paths and for losses."""
    exchange(socket.AF_INET, IPPROTO_MPTCP, "10.9.0.2", 8080, 60_000).close()


if __name__ == "__main__":
    {"serve": serve, "talk": talk, "transfer": transfer}[sys.argv[1]]()
