"""A WebSocket client of `mptcp_guest.servers.websocket`; needs python3-websockets.

    python -m mptcp_guest.clients.websocket send|take FILE URL ADDRESS PORT NAME [CERTIFICATE]

``send`` has the server send NAME, which is written to FILE; ``take`` has it take FILE as NAME, and
compares what comes back.
"""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import websockets

from mptcp_guest.messages import WEBSOCKET_MESSAGE_BYTES


async def _fetch(connection: websockets.WebSocketClientProtocol) -> bytes:
    return b"".join([piece async for piece in connection])


async def _give(connection: websockets.WebSocketClientProtocol, content: bytes) -> None:
    """Send and receive it again at the same time, so that neither end waits for the other.

    Raises:
        OSError: Something else came back.
    """

    async def send() -> None:
        for at in range(0, len(content), WEBSOCKET_MESSAGE_BYTES):
            await connection.send(content[at : at + WEBSOCKET_MESSAGE_BYTES])

    sending, came = asyncio.create_task(send()), bytearray()
    while len(came) < len(content):
        came += await connection.recv()
    await sending
    if came != content:
        raise OSError("what came back is not what was sent")


async def _talk(words: list[str], content: bytes) -> bytes:
    verb, url, address, port, name, *certificate = words
    secured: dict[str, Any] = {}
    if certificate:
        context = ssl.create_default_context(cafile=certificate[0])
        secured = {"ssl": context, "server_hostname": urlsplit(url).hostname}
    async with websockets.connect(
        url,
        host=address,
        port=int(port),
        compression=None,  # random bytes
        ping_interval=None,
        open_timeout=None,  # the exchange has a deadline
        max_size=WEBSOCKET_MESSAGE_BYTES,
        **secured,
    ) as connection:
        await connection.send(f"{verb} {name}")
        if verb == "send":
            return await _fetch(connection)
        await _give(connection, content)
        return b""


def main(words: list[str]) -> None:
    """Fetch a file or give one."""
    verb, file, *where = words
    if verb == "send":
        Path(file).write_bytes(asyncio.run(_talk([verb, *where], b"")))
    else:
        asyncio.run(_talk([verb, *where], Path(file).read_bytes()))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, websockets.WebSocketException) as error:
        sys.exit(f"websocket: {error}")
