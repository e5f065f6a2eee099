"""Every way in which a request to the collector can fail, in one table (RFC 9457)."""

from typing import Final

from mptcp_check.problems import problem as shape
from mptcp_check.problems.problem import MEDIA_TYPE, URN, Problem, Problems

__all__ = ["BY_STATUS", "MEDIA_TYPE", "PROBLEMS", "TITLES", "URN", "Problem", "ProblemError"]

TITLES: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The request is no HTTP or no tus that this collector understands"),
    "token_missing": (401, "This needs the run's deletion token: Authorization: Bearer TOKEN"),
    "ticket_invalid": (401, "The ticket is not one of a measurement server known here"),
    "ticket_too_old": (401, "The ticket was issued too long ago"),
    "ticket_of_another_run": (403, "The ticket is for another run"),
    "not_public": (403, "This run is not public: its page can be seen, its captures cannot"),
    "token_wrong": (403, "The deletion token is not the one of this run"),
    "not_found": (404, "There is nothing here"),
    "upload_unknown": (404, "There is no such upload: it was finished long ago, or never begun"),
    "run_unknown": (404, "There is no such run here"),
    "method_not_allowed": (405, "This cannot be done here"),
    "run_exists_with_other_digest": (409, "A run of this id is here, and it is another bundle"),
    "offset_mismatch": (409, "The bytes begin at another offset than the upload has"),
    "run_deleted": (410, "The run was deleted, and cannot come back"),
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

PROBLEMS: Final = Problems(titles=TITLES, retry_after_s=RETRY_AFTER_S, by_status=BY_STATUS)


class ProblemError(shape.ProblemError):
    """A request that is refused; its name is one of `TITLES`."""

    problems = PROBLEMS
