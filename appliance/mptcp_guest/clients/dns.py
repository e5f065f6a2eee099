"""Ask a name server for texts, all over one connection (RFC 7766, section 6.2.1), TLS or not.

    python -m mptcp_guest.clients.dns ADDRESS PORT NAME COUNT OUTPUT [CERTIFICATE SERVER_NAME]

The texts of ``0.NAME``, ``1.NAME``, … are written to the output, one after the other.
"""

import contextlib
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from mptcp_guest import dns_message
from mptcp_guest.messages import DNS_ZONE

PATIENCE_S = 60.0
"""Above every exchange's deadline: then the agent has ended this already."""

LENGTH = struct.Struct("!H")


def ask(line: socket.socket, name: str, count: int) -> bytes:
    """Return the texts of a name, in order.

    Raises:
        OSError: The connection broke, or an answer is none.
    """
    queries = [dns_message.query(f"{n}.{name}.{DNS_ZONE}", number=n) for n in range(count)]
    line.sendall(b"".join(LENGTH.pack(len(query)) + query for query in queries))
    texts: dict[int, bytes] = {}
    while len(texts) < count:
        (size,) = LENGTH.unpack(_exactly(line.recv, LENGTH.size))
        found = dns_message.answer(_exactly(line.recv, size))
        if found.problem or found.number not in range(count):
            raise OSError(found.problem or f"an answer to question {found.number}")
        texts[found.number] = found.text
    return b"".join(texts[n] for n in range(count))


def _exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = receive(size - len(found))
        if not piece:
            raise OSError(f"the connection ended after {len(found)} of {size} bytes")
        found += piece
    return bytes(found)


def main(words: list[str]) -> None:
    """Ask, and write what came."""
    address, port, name, count, output, *secured = words
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(socket.create_connection((address, int(port)), PATIENCE_S))
        if secured:
            certificate, server_name = secured
            context = ssl.create_default_context(cafile=certificate)
            line = stack.enter_context(context.wrap_socket(line, server_hostname=server_name))
        Path(output).write_bytes(ask(line, name, int(count)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"dns: {error}")
