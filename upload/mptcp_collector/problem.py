"""Problem documents (RFC 9457): every way in which a request can fail, in one table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:mptcp-check:problem:"
"""Types are names, not addresses: nothing has to answer there for ever (RFC 9457, 3.1.1)."""

TITLES: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The request is no HTTP or no tus that this collector understands"),
    "token_missing": (401, "This needs the run's deletion token: Authorization: Bearer TOKEN"),
    "ticket_invalid": (401, "The ticket is not one of a measurement server known here"),
    "ticket_too_old": (401, "The ticket was issued too long ago"),
    "ticket_of_another_run": (403, "The ticket is for another run"),
    "token_wrong": (403, "The deletion token is not the one of this run"),
    "not_found": (404, "There is nothing here"),
    "upload_unknown": (404, "There is no such upload: it was finished long ago, or never begun"),
    "run_unknown": (404, "There is no such run here"),
    "method_not_allowed": (405, "This cannot be done here"),
    "run_exists_with_other_digest": (409, "A run of this id is here, and it is another bundle"),
    "offset_mismatch": (409, "The bytes begin at another offset than the upload has"),
    "run_deleted": (410, "The run was deleted by its owner"),
    "upload_expired": (410, "The upload was not finished in time"),
    "tus_version": (412, "Another version of tus is spoken here"),
    "too_large": (413, "This is larger than what is taken here"),
    "media_type": (415, "Bytes of an upload come as application/offset+octet-stream"),
    "bad_bundle": (422, "The bundle is not one"),
    "digest_mismatch": (422, "What arrived has another digest than what was announced"),
    "expands_too_far": (422, "The bundle would expand to more than what is taken here"),
    "request_invalid": (422, "The request does not fit the interface"),
    "schema_too_new": (422, "The bundle's schema is newer than this collector"),
    "schema_too_old": (422, "The bundle's schema is no longer taken"),
    "upload_busy": (423, "Another request is sending bytes of this upload"),
    "too_many_requests": (429, "This network has asked too often"),
    "quota_exceeded": (429, "This network has uploaded its share of the day"),
    "checksum_mismatch": (460, "The bytes have another checksum than what came with them"),
    "internal": (500, "The collector made a mistake; it is in its log"),
    "storage_unavailable": (503, "The collector's storage does not answer"),
    "storage_full": (507, "The collector has no room at the moment"),
}
"""Name -> status and title; the name is stable, a changed meaning needs a new one.

460 is what tus's checksum extension calls a mismatch.
"""

RETRY_AFTER_S: Final[dict[str, int]] = {
    "upload_busy": 5,
    "too_many_requests": 60,
    "quota_exceeded": 3600,
    "storage_unavailable": 30,
    "storage_full": 3600,
}
"""What `Retry-After` says where waiting helps (RFC 9110, section 10.2.3)."""

BY_STATUS: Final[dict[int, str]] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    422: "request_invalid",
}
"""What the framework refuses by itself."""

_UNAUTHORIZED: Final = 401


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
    members: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def status(self) -> int:
        """HTTP status code."""
        return TITLES[self.name][0]

    def headers(self) -> dict[str, str]:
        """Return the header fields that go with it."""
        headers = {"content-type": MEDIA_TYPE}
        if self.name in RETRY_AFTER_S:
            headers["retry-after"] = str(RETRY_AFTER_S[self.name])
        if self.status == _UNAUTHORIZED:
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
