"""What routes take from a request: the sessions, the ticket, who asks, and documented problems."""

from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from mptcp_check.netblock import plain_address
from mptcp_check.problems import answers
from mptcp_check.server.problem import PROBLEMS, ProblemError
from mptcp_check.server.session import Session
from mptcp_check.server.sessions import Sessions

TICKET_SEEN = "ticket_verified"
"""Set in a request's state once its ticket holds: then answers may be large."""

RECEIVED_NS = "received_ns"
"""Set in a request's state when its first byte reached the application."""

_bearer = HTTPBearer(auto_error=False, scheme_name="ticket", bearerFormat="JWT")

SessionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As creating it answered")]


def all_sessions(request: Request) -> Sessions:
    """Return the server's sessions."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def own_session(
    request: Request,
    session_id: SessionId,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Session:
    """Return the session of the ticket that came with the request.

    Raises:
        ProblemError: There is no ticket, or it does not hold for this session.
    """
    if credentials is None:
        raise ProblemError("ticket-missing")
    session = all_sessions(request).verified(credentials.credentials, session_id)
    setattr(request.state, TICKET_SEEN, True)
    return session


AllSessions = Annotated[Sessions, Depends(all_sessions)]
OwnSession = Annotated[Session, Depends(own_session)]


def peer(request: Request) -> tuple[str, int]:
    """Return the address and port that the request came from, as its user would write them."""
    if request.client is None:
        return "", 0
    return plain_address(request.client.host), request.client.port


def problems(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI document describes that a route may answer these problems."""
    always = ("bad-request", "request-too-large", "request-invalid", "internal")
    return answers.documented(PROBLEMS, *always, *names)


WITH_TICKET = (
    "ticket-missing",
    "ticket-invalid",
    "ticket-expired",
    "ticket-from-the-future",
    "ticket-of-another-session",
    "session-unknown",
)
"""What every route with a ticket may answer."""
