"""Problem documents (RFC 9457) of interfaces that keep their refusals in one table; PURE."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar, Final

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:mptcp-check:problem:"
"""Types are names, not addresses: nothing has to answer there for ever (RFC 9457, 3.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What goes out instead of an answer."""

    name: str
    """The stable word; a changed meaning needs a new one."""
    status: int
    title: str
    detail: str = ""
    members: Mapping[str, object] = field(default_factory=dict[str, object])
    """Extension members (RFC 9457, section 3.2)."""
    retry_after_s: int | None = None

    def headers(self) -> dict[str, str]:
        """Return the header fields that go with it."""
        headers = {"content-type": MEDIA_TYPE}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(self.retry_after_s)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Bearer"
        return headers

    def octets(self) -> bytes:
        """Return the document."""
        document: dict[str, object] = {
            "type": URN + self.name,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        document.update(self.members)
        return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """Every way in which a request to one interface can fail."""

    titles: Mapping[str, tuple[int, str]]
    """Name -> status and title."""
    retry_after_s: Mapping[str, int]
    """What `Retry-After` says where waiting helps (RFC 9110, section 10.2.3)."""
    by_status: Mapping[int, str]
    """Names of what the framework refuses by itself."""
    internal: str = "internal"

    def problem(self, name: str, detail: str = "", **members: object) -> Problem:
        """Return one of them.

        Args:
            name: One of `titles`.
            detail: What is particular to this request; never an address, a path or a secret.
            members: Extension members.
        """
        status, title = self.titles[name]
        return Problem(
            name=name,
            status=status,
            title=title,
            detail=detail,
            members=members,
            retry_after_s=self.retry_after_s.get(name),
        )

    def of_status(self, status: int, detail: str = "") -> Problem:
        """Return the problem for a status that the framework gave."""
        return self.problem(self.by_status.get(status, self.internal), detail)


class ProblemError(Exception):
    """A request that is refused; each interface derives its own, with its table.

    Args:
        name: One of the table's.
        detail: What is particular to this request; never an address, a path or a secret.
        members: Extension members (RFC 9457, section 3.2).
    """

    problems: ClassVar[Problems]

    def __init__(self, name: str, detail: str = "", **members: object) -> None:
        self.problem = self.problems.problem(name, detail, **members)
        super().__init__(detail or self.problem.title)
