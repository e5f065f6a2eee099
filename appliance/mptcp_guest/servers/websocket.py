"""The process of `mptcp_guest.serving.websocket`: needs Debian's python3-websockets.

    python -m mptcp_guest.servers.websocket FILES ADDRESS PORT [CERTIFICATE KEY]

A connection says first, as a text, ``send NAME`` or ``take NAME``: then binary messages follow one
way or the other until it is closed.  What was taken comes back piece by piece, so that both ways
carry the content, the client's way masked.
"""

import asyncio
import os
import pwd
import re
import socket
import ssl
import sys
from pathlib import Path

import websockets

from mptcp_guest.messages import WEBSOCKET_MESSAGE_BYTES
from mptcp_guest.serving.program import USER

MOST_BYTES = 256 * 1024 * 1024
ASKED = re.compile(r"(send|take) ([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
REFUSED = 1008
"""Policy violation (RFC 6455, section 7.4.1)."""


async def _talk(connection: websockets.WebSocketServerProtocol, files: Path) -> None:
    asked = ASKED.fullmatch(str(await connection.recv()))
    if asked is None:
        await connection.close(REFUSED, "send NAME or take NAME")
    elif asked[1] == "send":
        await _send(connection, files / "down" / asked[2])
    else:
        await _take(connection, files / "up" / asked[2])


async def _send(connection: websockets.WebSocketServerProtocol, path: Path) -> None:
    try:
        file = path.open("rb")
    except OSError as error:
        await connection.close(REFUSED, str(error.strerror))
        return
    with file:
        while piece := file.read(WEBSOCKET_MESSAGE_BYTES):
            await connection.send(piece)


async def _take(connection: websockets.WebSocketServerProtocol, path: Path) -> None:
    with path.open("wb") as file:
        async for piece in connection:
            if isinstance(piece, str):
                return
            file.write(piece)
            if file.tell() > MOST_BYTES:
                await connection.close(REFUSED, "too much")
                return
            file.flush()
            await connection.send(piece)


async def _serve(listening: socket.socket, files: Path, secured: ssl.SSLContext | None) -> None:
    async with websockets.serve(
        lambda connection: _talk(connection, files),
        sock=listening,
        ssl=secured,
        compression=None,  # random bytes
        ping_interval=None,
        max_size=WEBSOCKET_MESSAGE_BYTES,
        server_header=None,
    ):
        await asyncio.Event().wait()


def main(words: list[str]) -> None:
    """Listen, become `USER`, and serve until the end."""
    files, address, port, *keys = words
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, int(port)), family=family)
    secured = None
    if keys:
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(*keys)
    owner = pwd.getpwnam(USER)
    os.setgroups([])
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    asyncio.run(_serve(listening, Path(files), secured))


if __name__ == "__main__":
    main(sys.argv[1:])
