"""The metrics' own port: HTTP for Prometheus, on the loopback interface unless told otherwise."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from mptcp_check.server import metrics

REQUEST_BYTES: Final = 8192
WITHIN_S: Final = 5.0
AT_ONCE: Final = 8


async def serve(sockets: list[socket.socket], render: Callable[[], str]) -> list[asyncio.Server]:
    """Answer `GET /metrics` on these sockets until the servers are closed."""
    busy = asyncio.Semaphore(AT_ONCE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError, ValueError, EOFError):
                async with asyncio.timeout(WITHIN_S), busy:
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(await _answer(head, render))
                    await writer.drain()
        finally:
            writer.close()

    return [await asyncio.start_server(answer, sock=one, limit=REQUEST_BYTES) for one in sockets]


async def _answer(head: bytes, render: Callable[[], str]) -> bytes:
    if head.startswith((b"GET /metrics ", b"GET /metrics?")):
        status, kind = "200 OK", metrics.CONTENT_TYPE
        body = (await asyncio.to_thread(render)).encode()
    else:
        status, kind, body = "404 Not Found", "text/plain", b"ask for /metrics\n"
    fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body
