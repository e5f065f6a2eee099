"""What every server of this package does: listen on one address, then be nobody important."""

import os
import pwd
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

IDLE_S = 30.0
"""How long a connection may be silent."""

BLOCK_BYTES = 65536

CONNECTIONS_COUNT = 64
"""At once; the next one waits in the kernel's queue."""


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens on that address and no other.

    Raises:
        OSError: The address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(CONNECTIONS_COUNT)
    return listener


def become(user: str) -> None:
    """Give up root's rights for good.

    Raises:
        KeyError: There is no such user.
        OSError: This process has no such right to give up.
    """
    who = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(who.pw_gid)
    os.setuid(who.pw_uid)


def serve(listener: socket.socket, talk: Callable[[socket.socket, BinaryIO], None]) -> None:
    """Have each connection talked to in a thread of its own, without end.

    Args:
        listener: From `listening`.
        talk: Gets the connection to write to, and what is read from it, buffered.
    """
    free = threading.BoundedSemaphore(CONNECTIONS_COUNT)

    def one(connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
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
