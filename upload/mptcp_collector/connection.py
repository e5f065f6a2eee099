"""HTTP/1.1 on one connection: uvicorn's, with bodies that come from the socket into their room.

A body whose length is known is read with the `asyncio.BufferedProtocol` that takes the HTTP
parser's place until its last byte, and not one byte longer: what follows is the parser's again.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Mapping
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mptcp_collector.api.body import CONNECTION, InterruptedBodyError

HEAD_MAX_BYTES: Final = 32_768
"""Of a request: its line and header fields."""


class Connection(H11Protocol):
    """One connection; the application finds it in its scope's ``state``, as `CONNECTION`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: Mapping[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, CONNECTION: self}, _loop)
        self._past_parser: SocketBody | None = None
        """The body for which the parser waits in vain."""

    def body(self) -> "SocketBody | None":
        """Return the body of the request that is served now; none: it has to come by ASGI.

        That is where its length is not known, or the client waits to be told to go on
        (RFC 9112, section 6.3; RFC 9110, section 10.1.1).
        """
        cycle = self.cycle
        length = dict(self.headers).get(b"content-length")
        if length is None or cycle.waiting_for_100_continue:
            return None
        # h11 has seen to it that the length is one, and gave all that came with the head
        came, cycle.body = bytes(cycle.body), bytearray()
        body = SocketBody(self, came, int(length) - len(came))
        if body.left_bytes and not cycle.disconnected:
            self._past_parser = body
            self.flow.resume_reading()
            body.begin()
        return body

    def on_response_complete(self) -> None:
        """Go on with the next request, with a parser that knows nothing of the body."""
        body, self._past_parser = self._past_parser, None
        if body is not None:
            body.close()
            self.transport.set_protocol(self)
        if body is not None and body.left_bytes:
            # what follows is the rest of a body that nobody wanted, and no request
            self.transport.close()
        elif body is not None:
            self.conn = h11.Connection(h11.SERVER, HEAD_MAX_BYTES)
            self.transport.resume_reading()
        super().on_response_complete()


class SocketBody(asyncio.BufferedProtocol):
    """A body that comes from the socket.

    Args:
        connection: Whose socket it is; nobody else reads from it before the last byte.
        came: Bytes that came with the request's head.
        left_bytes: How many are still to come.

    Attributes:
        left_bytes: How many did not come yet.
    """

    def __init__(self, connection: Connection, came: bytes, left_bytes: int) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._came = memoryview(came)
        self.left_bytes = left_bytes
        self._room = memoryview(b"")
        self._filled = 0
        self._full = asyncio.Event()
        """The room is, or no more comes."""
        self._interrupted = True
        self._descriptor = -1
        self._turn = threading.Lock()

    def begin(self) -> None:
        """Take the parser's place."""
        self._interrupted = False
        # of our own: the transport may close its own, and another connection get its number
        self._descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        self._transport.pause_reading()
        self._transport.set_protocol(self)

    @property
    def ended(self) -> bool:
        """Whether it is known that there is no more."""
        return not self._came and not self.left_bytes

    async def fill(self, room: memoryview, idle_s: float) -> int:
        """Fill room with what comes."""
        at_once = min(len(room), len(self._came))
        room[:at_once] = self._came[:at_once]
        self._came = self._came[at_once:]
        from_socket = min(len(room) - at_once, self.left_bytes)
        if not from_socket:
            return at_once
        self._room, self._filled = room[at_once : at_once + from_socket], 0
        self._full.clear()
        if not self._interrupted:
            self._transport.resume_reading()
            await self._until_full(idle_s)
        filled = at_once + self._filled
        self._room = memoryview(b"")
        if self._interrupted and not filled:
            raise InterruptedBodyError
        return filled

    def more(self, room: memoryview) -> int:
        """Fill room with what has come already: the loop reads nothing between two `fill`."""
        filled, most = 0, 0 if self._came else min(len(room), self.left_bytes)
        with self._turn, contextlib.suppress(OSError):
            while filled < most and (count := os.readv(self._descriptor, [room[filled:most]])):
                filled += count
        # an end or an error is still there when the loop reads again
        self.left_bytes -= filled
        return filled

    def close(self) -> None:
        """Let threads read no more; again does nothing."""
        with self._turn:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1

    async def _until_full(self, idle_s: float) -> None:
        while not self._full.is_set():
            before = self._filled
            try:
                async with asyncio.timeout(idle_s):
                    await self._full.wait()
            except TimeoutError:
                if self._filled == before:
                    self._transport.pause_reading()
                    self._interrupted = True
                    return

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the room is what there is
        """Return where the socket's next bytes go."""
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes that came; read no further than the room goes."""
        self._filled += nbytes
        self.left_bytes -= nbytes
        if self._filled == len(self._room):
            self._transport.pause_reading()
            self._full.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that no more comes."""
        self.close()
        self._interrupted = True
        self._full.set()
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that answers are not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that answers are read again."""
        self._connection.resume_writing()
