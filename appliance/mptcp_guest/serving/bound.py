"""Where TCP sockets listen, by the kernel's own tables, without a program that reads them.

A Multipath TCP socket shows by the TCP socket of its first subflow; that it is one, the tables do
not say.
"""

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import suppress

from mptcp_guest.inside import PROC_NET
from mptcp_guest.serving.program import socket_address

TABLES = ("tcp", "tcp6")
"""proc_net(5); a kernel without IPv6 lacks the second."""

LISTENING = "0A"
"""TCP_LISTEN in the kernel's net/tcp_states.h."""

WORD_DIGITS = 8


def places() -> set[str]:
    """Return each ``ADDRESS:PORT`` that listens in the calling thread's network."""
    found: set[str] = set()
    for name in TABLES:
        with suppress(FileNotFoundError):
            found |= parse((PROC_NET / name).read_text())
    return found


def parse(text: str) -> set[str]:
    """Return each ``ADDRESS:PORT`` that listens by one of the tables; PURE.

    A line that is none of a table is left out.
    """
    return set(_rows(text))


def _rows(text: str) -> Iterator[str]:
    for words in map(str.split, text.splitlines()):
        if len(words) > 3 and words[3] == LISTENING:  # noqa: PLR2004 - number, local, remote, state
            digits, _, port = words[1].partition(":")
            with suppress(ValueError, OverflowError):
                yield socket_address(_address(digits), int(port, 16))


def _address(digits: str) -> str:
    """Return an address: words of 32 bits, each as this machine has it in memory."""
    words = (digits[at : at + WORD_DIGITS] for at in range(0, len(digits), WORD_DIGITS))
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return str(ipaddress.ip_address(packed))
