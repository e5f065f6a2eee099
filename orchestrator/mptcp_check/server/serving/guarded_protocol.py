"""HTTP/1.1 on one connection, with an end to patience: slow requests and slow readers go.

What uvicorn does not do by itself: a request has to be whole within a time, a client that takes
nothing of its answer is cut off, and what is no HTTP gets a problem document too.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from mptcp_check.server.problem import PROBLEMS


class GuardedProtocol(H11Protocol):
    """One connection.

    Args:
        config: uvicorn's, with the application.
        state: What all connections share.
        request_within_s: From the connection, or the request's first byte, to its last byte.
        stalled_after_s: How long a client may take nothing while there is something for it.
        ended: Called once when the connection is over.
        cut: Called when patience ended, with the reason.
    """

    def __init__(
        self,
        *,
        config: Config,
        state: ServerState,
        request_within_s: float,
        stalled_after_s: float,
        ended: Callable[[], None],
        cut: Callable[[str], None],
    ) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._request_within_s = request_within_s
        self._stalled_after_s = stalled_after_s
        self._ended = ended
        self._cut = cut
        self._request_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop("_request_timer")
        self._stop("_stall_timer")
        super().connection_lost(exc)
        self._ended()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that is whole by now is not waited for."""
        if self._request_timer is None and not self._busy():
            self._await_request()
        super().data_received(data)
        if self._whole():
            self._stop("_request_timer")

    def pause_writing(self) -> None:
        """Begin to wait for a client that reads slowly."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """Stop to wait: the client has taken what waited."""
        self._stop("_stall_timer")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what was wrong is for nobody's use
        """Answer what is no HTTP."""
        problem = PROBLEMS.problem("bad-request")
        octets = problem.octets()
        headers = [(name.encode(), value.encode()) for name, value in problem.headers().items()]
        headers += [(b"content-length", str(len(octets)).encode()), (b"connection", b"close")]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            event = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            self.transport.write(self.conn.send(event) or b"")
            self.transport.write(self.conn.send(h11.Data(data=octets)) or b"")
            self.transport.write(self.conn.send(h11.EndOfMessage()) or b"")
        self.transport.close()

    def _busy(self) -> bool:
        """Say whether an answer is being made: what comes now belongs to a later request."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _whole(self) -> bool:
        return self.conn.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)

    def _await_request(self) -> None:
        self._request_timer = self.loop.call_later(
            self._request_within_s, self._give_up, "the request was not whole in time"
        )

    def _await_reader(self) -> None:
        self._stop("_stall_timer")
        self._stall_timer = self.loop.call_later(
            self._stalled_after_s, self._give_up, "the client took nothing of its answer"
        )

    def _give_up(self, reason: str) -> None:
        self._cut(reason)
        self.transport.abort()

    def _stop(self, name: str) -> None:
        timer: Any = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)
