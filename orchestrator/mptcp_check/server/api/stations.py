"""What every request and answer passes: its time, its size, and what may go out without a ticket.

The third is the rule that nobody gets more than he paid for before he has a ticket.  A source
address is proven by TCP's handshake, so this is no amplifier anyhow; the rule also keeps those
out who would have a server send for them.  An answer may be as large as its request, counted as
HTTP carries both; half a kilobyte is always allowed: a client has sent that much in its TLS
handshake before it could ask anything.
"""

import json
import logging
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mptcp_check.server.api.asking import RECEIVED_NS, TICKET_SEEN
from mptcp_check.server.problem import MEDIA_TYPE, PROBLEMS, Problem, ProblemError
from mptcp_check.server.sessions import Sessions

ALWAYS_BYTES: Final = 512
"""An answer of this size is always allowed."""

HEAD_BYTES: Final = 16_384
"""A request's line and header fields."""

SHORT: Final = ("type", "title", "status")
"""What is left of a problem that would be too large; every one of ours fits so."""

_CLIENT_ERROR: Final = 400
_LINE_BYTES: Final = len("HTTP/1.1 200 \r\n") + 22  # a reason phrase has 22 characters at most
_FIELD_BYTES: Final = len(": \r\n")

log = logging.getLogger(__name__)


class Stations:
    """The application with these stations in front of it (ASGI 3).

    Args:
        app: What answers.
        sessions: Whose clock and limits count.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})[RECEIVED_NS] = self._sessions.wall_ns()
        request = _Request(scope, receive, self._sessions.configuration.api.request_max_bytes)
        answer = _Answer(scope, request, send)
        if request.too_large:
            await answer.replace(request.problem)
            return
        try:
            await self._app(scope, request.receive, answer.send)
        except Exception:
            # The framework has answered by now and raises for those who log.
            log.exception("%s failed", scope["method"])
            if not answer.begun:
                await answer.replace(PROBLEMS.problem("internal"))


class _Request:
    """Counts what comes in, and takes no more than a limit."""

    def __init__(self, scope: Scope, receive: Receive, limit_bytes: int) -> None:
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._body_bytes = 0
        line = len(scope["method"]) + len(scope.get("raw_path") or b"") + len(" ? HTTP/1.1\r\n")
        self._head_bytes = line + len(scope.get("query_string") or b"") + _fields(scope["headers"])
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        # The protocol bounds a head that is not whole; one that comes all at once is bounded here.
        self.too_large = self._head_bytes > HEAD_BYTES or (
            announced.isdigit() and int(announced[:18]) > limit_bytes
        )

    @property
    def size_bytes(self) -> int:
        return self._head_bytes + self._body_bytes

    async def receive(self) -> Message:
        message = await self._receive()
        self._body_bytes += len(message.get("body", b""))
        if self._body_bytes > self._limit_bytes:
            # The framework turns what is raised here into words of its own: see `_Answer`.
            self.too_large = True
            raise ProblemError("request-too-large")
        return message

    @property
    def problem(self) -> Problem:
        return PROBLEMS.problem(
            "request-too-large",
            f"{HEAD_BYTES} bytes of head and {self._limit_bytes} of body are allowed",
        )


class _Answer:
    """Holds back small answers until their size is known; makes every error a problem."""

    def __init__(self, scope: Scope, request: _Request, send: Send) -> None:
        self._state: dict[str, Any] = scope["state"]
        self._request = request
        self._send = send
        self._start: Message | None = None
        self._body = b""
        self._replaced = False
        self.begun = False

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            self._start = message
            if self._state.get(TICKET_SEEN) and message["status"] < _CLIENT_ERROR:
                self.begun = True
                await self._send(message)
            return
        if self.begun:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._finish()

    async def _finish(self) -> None:
        start = self._start
        if start is None:
            return
        if self._request.too_large:
            await self.replace(self._request.problem)
            return
        status = start["status"]
        kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
        if status >= _CLIENT_ERROR and kinds != [MEDIA_TYPE.encode()]:
            await self.replace(PROBLEMS.of_status(status))
            return
        await self._out(status, start["headers"], self._body)

    async def replace(self, problem: Problem) -> None:
        """Answer with a problem, whatever was to be said."""
        self._replaced = True
        octets = problem.octets()
        headers = {**problem.headers(), "content-length": str(len(octets))}
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._out(problem.status, fields, octets)

    async def _out(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        size_bytes = _LINE_BYTES + _fields(headers) + len(body)
        allowed_bytes = max(ALWAYS_BYTES, self._request.size_bytes)
        if size_bytes > allowed_bytes and not self._state.get(TICKET_SEEN):
            if status < _CLIENT_ERROR:
                problem = PROBLEMS.problem("request-too-small", answer_bytes=size_bytes)
                await self.replace(problem)
                return
            # A problem that says too much: its detail is what can be left out.
            short = {key: v for key, v in json.loads(body).items() if key in SHORT}
            body = json.dumps(short, separators=(",", ":")).encode()
            headers = [field for field in headers if field[0].lower() != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _fields(headers: Any) -> int:  # noqa: ANN401 - any iterable of pairs
    return sum(len(name) + len(value) + _FIELD_BYTES for name, value in headers) + 2
