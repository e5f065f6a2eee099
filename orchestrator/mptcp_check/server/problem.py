"""Problem documents (RFC 9457): every way in which a request can fail, in one table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:mptcp-check:problem:"
"""Types are names, not addresses: nothing has to answer there for ever (RFC 9457, 3.1.1)."""

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


class ProblemError(Exception):
    """A request that is refused.

    Args:
        name: One of `TITLES`.
        detail: What is particular to this request; never an address, a path or a secret.
        members: Extension members (RFC 9457, section 3.2).
    """

    def __init__(self, name: str, detail: str = "", **members: object) -> None:
        super().__init__(detail or TITLES[name][1])
        self.problem = Problem(name=name, detail=detail, members=members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What goes out instead of an answer."""

    name: str
    detail: str = ""
    members: Mapping[str, object] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """HTTP status code."""
        return TITLES[self.name][0]

    def headers(self) -> dict[str, str]:
        """Return the header fields that go with it."""
        headers = {"content-type": MEDIA_TYPE}
        if self.name in RETRY_AFTER_S:
            headers["retry-after"] = str(RETRY_AFTER_S[self.name])
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Bearer"
        return headers

    def octets(self) -> bytes:
        """Return the document."""
        status, title = TITLES[self.name]
        document: dict[str, object] = {"type": URN + self.name, "title": title, "status": status}
        if self.detail:
            document["detail"] = self.detail
        document.update(self.members)
        return json.dumps(document, separators=(",", ":")).encode()
