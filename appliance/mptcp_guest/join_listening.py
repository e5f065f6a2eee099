"""Listeners for joins at announced addresses: the application itself listens at its own only.

A join that reaches an address where no Multipath TCP socket listens is answered with RST by the
host.  What listens there is never asked: a join belongs to its connection by the token (RFC 8684,
section 3.2), and the kernel hands it there, so these sockets accept nothing.
"""

import errno
import socket
from contextlib import suppress

from mptcp_guest import messages
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError

IPPROTO_MPTCP = 262
"""Of <linux/in.h>; Python's socket module has it from 3.10 where the C library knew it."""

BACKLOG = 1


class JoinListeners:
    """The listening sockets of the present exchange."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._open: list[socket.socket] = []

    def listen(self, arguments: messages.ConfigureArguments) -> None:
        """Listen at every announced address on the ports that are asked for, and nowhere else.

        Raises:
            RefusalError: An address is not this network's.
        """
        self.close()
        ports = arguments.get("joined_ports", [])
        announced = [e for e in arguments["endpoints"] if "signal" in e.get("flags", [])]
        for endpoint in announced:
            for port in ports:
                self._listen(endpoint["address"], port)

    def close(self) -> None:
        """Stop listening."""
        for listener in self._open:
            with suppress(OSError):
                listener.close()
        self._open.clear()

    def _listen(self, address: str, port: int) -> None:
        try:
            self._open.append(self._lab.within(lambda: _listener(address, port)))
        except OSError as error:
            # the application itself listens there already, and joins are as welcome
            if error.errno != errno.EADDRINUSE:
                words = f"{address} port {port} cannot listen for joins: {error.strerror}"
                raise RefusalError("failed", words) from error


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
