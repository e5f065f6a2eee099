"""The process of `mptcp_guest.serving.websocket`: needs Debian's python3-websockets.

    python -m mptcp_guest.servers.websocket FILES ADDRESS PORT USER CONNECTIONS [CERTIFICATE KEY]

The path is ``/``, or ``/MARKER/`` for the files of a session.  A connection says first, as a text,
``send NAME`` or ``take NAME``: then binary messages follow one way or the other until it is closed.
What was taken comes back piece by piece, so that both ways carry the content, the client's way
masked.
"""

import asyncio
import re
import socket
import ssl
import sys
from pathlib import Path

import websockets

from mptcp_guest.messages import WEBSOCKET_MESSAGE_BYTES
from mptcp_guest.servers import listening
from mptcp_guest.servers.places import handed_out, taken, way_to

MOST_BYTES = 256 * 1024 * 1024
ASKED = re.compile(r"(send|take) ([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
SESSION = re.compile(r"/(?:(mpck-[a-z2-7]{26})/)?")
REFUSED, TRY_LATER = 1008, 1013
"""Policy violation (RFC 6455, section 7.4.1); try again later (IANA's registry)."""


async def _talk(connection: websockets.WebSocketServerProtocol, files: Path) -> None:
    session = SESSION.fullmatch(connection.path)
    asked = ASKED.fullmatch(str(await connection.recv()))
    if asked is None or session is None:
        await connection.close(REFUSED, "send NAME or take NAME")
        return
    name = f"{session[1]}.{asked[2]}" if session[1] else asked[2]
    try:
        if asked[1] == "send":
            await _send(connection, way_to(files, "down", name))
        else:
            await _take(connection, way_to(files, "up", name))
    except OSError as error:
        await connection.close(REFUSED, str(error.strerror))


async def _send(connection: websockets.WebSocketServerProtocol, path: Path) -> None:
    with handed_out(path) as file:
        while piece := file.read(WEBSOCKET_MESSAGE_BYTES):
            await connection.send(piece)


async def _take(connection: websockets.WebSocketServerProtocol, path: Path) -> None:
    with taken(path) as file:
        async for piece in connection:
            if isinstance(piece, str):
                return
            file.write(piece)
            if file.tell() > MOST_BYTES:
                await connection.close(REFUSED, "too much")
                return
            file.flush()
            await connection.send(piece)


async def _serve(
    listener: socket.socket, files: Path, secured: ssl.SSLContext | None, connections_count: int
) -> None:
    at_once = 0

    async def one(connection: websockets.WebSocketServerProtocol) -> None:
        nonlocal at_once
        if at_once >= connections_count:
            await connection.close(TRY_LATER)
            return
        at_once += 1
        try:
            async with asyncio.timeout(listening.LIFE_S):
                await _talk(connection, files)
        finally:
            at_once -= 1

    async with websockets.serve(
        one,
        sock=listener,
        ssl=secured,
        compression=None,  # random bytes
        ping_interval=None,
        max_size=WEBSOCKET_MESSAGE_BYTES,
        server_header=None,
    ):
        await asyncio.Event().wait()


def main(words: list[str]) -> None:
    """Listen, give up root's rights, and serve until the end."""
    files, address, port, user, count, *keys = words
    listener = listening.listening(address, int(port))
    secured = None
    if keys:
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(*keys)
    listening.become(user)
    asyncio.run(_serve(listener, Path(files), secured, int(count)))


if __name__ == "__main__":
    main(sys.argv[1:])
