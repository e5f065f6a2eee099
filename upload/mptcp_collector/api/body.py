"""A request's body, read into room that its reader has.

From ASGI's messages a byte is copied some six times before it is in a file.  `connection` reads
from the socket into the room itself, where it can; both are the same to who reads.
"""

import asyncio
from typing import Final, Protocol

from starlette.requests import ClientDisconnect, Request

CONNECTION: Final = "mptcp_check_connection"
"""Name in the ASGI scope's ``state`` of the `Connection` that a request came by, if it is one."""


class InterruptedBodyError(Exception):
    """The client went away, or sent nothing for too long."""


class Body(Protocol):
    """What is left of a body."""

    @property
    def ended(self) -> bool:
        """Whether it is known that there is no more."""

    async def fill(self, room: memoryview, idle_s: float) -> int:
        """Fill room with what comes; return how many bytes.

        Fewer than there is room for come at the end only, or where what follows never came: the
        next call says so.

        Args:
            room: Where bytes go.
            idle_s: How long nothing may come.

        Raises:
            InterruptedBodyError: No more comes, and that is not the end.
        """

    def more(self, room: memoryview) -> int:
        """Fill room with what has come already; return how many bytes.

        Called in a thread, while nobody waits in `fill`.
        """


class Connection(Protocol):
    """What can read a body from its socket."""

    def body(self) -> Body | None:
        """Return the body of the request that is served now; none: it has to come by ASGI."""


def of(request: Request) -> Body:
    """Return a request's body, from which nothing was read yet."""
    connection: Connection | None = request.scope.get("state", {}).get(CONNECTION)
    return (connection.body() if connection else None) or _Streamed(request)


class _Streamed:
    """A body that comes as ASGI's messages."""

    def __init__(self, request: Request) -> None:
        self._chunks = request.stream()
        self._held = memoryview(b"")
        self._interrupted = False
        self.ended = False

    async def fill(self, room: memoryview, idle_s: float) -> int:
        """Fill room with what comes."""
        filled = 0
        while filled < len(room):
            if not self._held and not await self._next(idle_s):
                break
            count = min(len(self._held), len(room) - filled)
            room[filled : filled + count] = self._held[:count]
            self._held = self._held[count:]
            filled += count
        if self._interrupted and not filled:
            raise InterruptedBodyError
        return filled

    def more(self, room: memoryview) -> int:  # noqa: ARG002 - messages come by the event loop only
        """Fill room with nothing."""
        return 0

    async def _next(self, idle_s: float) -> bool:
        if self._interrupted:
            return False
        try:
            async with asyncio.timeout(idle_s):
                while not self._held:
                    chunk = await anext(self._chunks, None)
                    if chunk is None:
                        self.ended = True
                        return False
                    self._held = memoryview(chunk)
        except (ClientDisconnect, TimeoutError):
            self._interrupted = True
        return not self._interrupted
