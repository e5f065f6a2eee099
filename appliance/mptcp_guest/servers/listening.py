"""What every server of this package does: listen on one address, then be nobody important."""

import os
import pwd
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from mptcp_guest.clock import monotonic_ns

IDLE_S = 30.0
"""How long a connection may be silent."""

LIFE_S = 600.0
"""How long one may last at most: above every exchange's deadline."""
LOOK_S = 10.0

BLOCK_BYTES = 65536

CONNECTIONS_COUNT = 64
"""At once; the next one waits in the kernel's queue."""


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens on that address and no other.

    Raises:
        SystemExit: With a line for the log: the address is not this machine's, the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listener.bind((address, port))
        listener.listen(CONNECTIONS_COUNT)
    except OSError as e:
        listener.close()
        reason = (e.strerror or str(e)).lower()
        raise SystemExit(f"cannot listen on {address} port {port}: {reason}") from None
    return listener


def become(user: str) -> None:
    """Give up root's rights for good; of nobody's name: who has none has nothing to give up.

    Raises:
        KeyError: There is no such user.
        OSError: This process has no such right to give up.
    """
    if not user:
        return
    who = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(who.pw_gid)
    os.setuid(who.pw_uid)


class Lifetimes:
    """Ends connections that are older than `LIFE_S`: a byte now and then keeps none open."""

    def __init__(self) -> None:
        self._until_ns: dict[socket.socket, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def bounded(self, connection: socket.socket) -> Iterator[None]:
        """Count a connection's time while it is talked to."""
        with self._lock:
            self._until_ns[connection] = monotonic_ns() + int(LIFE_S * 1e9)
        try:
            yield
        finally:
            with self._lock:
                del self._until_ns[connection]

    def watch(self) -> None:
        """Look after them without end."""
        while True:
            threading.Event().wait(LOOK_S)
            self.end_late(monotonic_ns())

    def end_late(self, now_ns: int) -> None:
        """End those whose time is up."""
        with self._lock:
            for connection, until_ns in self._until_ns.items():
                if until_ns <= now_ns:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)


def serve(
    listener: socket.socket,
    talk: Callable[[socket.socket, BinaryIO], None],
    *,
    connections_count: int = CONNECTIONS_COUNT,
) -> None:
    """Have each connection talked to in a thread of its own, without end.

    Args:
        listener: From `listening`.
        talk: Gets the connection to write to, and what is read from it, buffered.
        connections_count: At once.
    """
    free = threading.BoundedSemaphore(connections_count)
    open_ = Lifetimes()
    threading.Thread(target=open_.watch, daemon=True).start()

    def one(connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream, open_.bounded(connection):
                connection.settimeout(IDLE_S)
                talk(connection, stream)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                    while stream.read(BLOCK_BYTES):
                        pass  # who ends first keeps what the other still says from a reset
        except OSError as error:
            print(f"a connection ended: {error}", file=sys.stderr, flush=True)  # noqa: T201 - its log
        finally:
            free.release()

    while True:
        free.acquire()
        try:
            connection, _ = listener.accept()
        except OSError:  # it was gone before it was accepted
            free.release()
            continue
        threading.Thread(target=one, args=(connection,), daemon=True).start()
