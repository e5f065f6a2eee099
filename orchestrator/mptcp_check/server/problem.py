"""Every way in which a request to the measurement server can fail, in one table (RFC 9457)."""

from typing import Final

from mptcp_check.problems import problem as shape
from mptcp_check.problems.problem import MEDIA_TYPE, URN, Problem, Problems

__all__ = ["BY_STATUS", "MEDIA_TYPE", "PROBLEMS", "TITLES", "URN", "Problem", "ProblemError"]

TITLES: Final[dict[str, tuple[int, str]]] = {
    "bad-request": (400, "The request is no HTTP that this server understands"),
    "ticket-missing": (401, "This needs a ticket: Authorization: Bearer TICKET"),
    "ticket-invalid": (401, "The ticket is not one of this server's"),
    "ticket-expired": (401, "The ticket has expired"),
    "ticket-from-the-future": (401, "The ticket was issued in the future: a clock was set back"),
    "ticket-of-another-session": (403, "The ticket is for another session"),
    "not-found": (404, "There is nothing here"),
    "session-unknown": (404, "There is no such session"),
    "capture-missing": (404, "The session has no capture"),
    "method-not-allowed": (405, "This cannot be done here"),
    "session-ended": (409, "The session has ended"),
    "capture-running": (409, "The capture is running: stop it first"),
    "capture-ended": (409, "The session's capture was stopped; a session has one"),
    "services-closed": (409, "Open the session's services first"),
    "request-too-large": (413, "The request is too large"),
    "request-invalid": (422, "The request does not fit the interface"),
    "request-too-small": (422, "Without a ticket an answer is not larger than its request"),
    "too-many-requests": (429, "This network has asked too often"),
    "too-many-sessions": (429, "This network has its share of sessions"),
    "allowance-used": (429, "This network has used its allowance"),
    "quota-used": (429, "The session keeps as much as it may"),
    "range-not-satisfiable": (416, "There are no such bytes"),
    "internal": (500, "The server made a mistake; it is in its log"),
    "lame-duck": (503, "The server is being drained: use another one"),
    "server-full": (503, "The server has as many sessions as it can hold"),
    "capture-unavailable": (503, "The capture service does not answer"),
    "services-unavailable": (503, "The application servers do not answer"),
    "disk-full": (507, "The server has no room for another capture or file"),
}
"""Name -> status and title; the name is stable, a changed meaning needs a new one."""

RETRY_AFTER_S: Final[dict[str, int]] = {
    "too-many-requests": 60,
    "too-many-sessions": 60,
    "allowance-used": 600,
    "lame-duck": 300,
    "server-full": 30,
    "capture-unavailable": 5,
    "services-unavailable": 5,
    "disk-full": 600,
}
"""What `Retry-After` says where waiting helps (RFC 9110, section 10.2.3)."""

BY_STATUS: Final[dict[int, str]] = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "request-too-large",
    416: "range-not-satisfiable",
    422: "request-invalid",
    500: "internal",
}
"""What the framework refuses by itself."""

PROBLEMS: Final = Problems(titles=TITLES, retry_after_s=RETRY_AFTER_S, by_status=BY_STATUS)


class ProblemError(shape.ProblemError):
    """A request that is refused; its name is one of `TITLES`."""

    problems = PROBLEMS
