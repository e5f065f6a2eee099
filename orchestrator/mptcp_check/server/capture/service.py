"""What the sessions ask of whoever captures; the API does not care in which process that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mptcp_check.server.capture.handshakes import Handshakes
from mptcp_check.server.capture.summary import Summary

FILE: Final = "capture.pcapng"
"""In the folder of a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A capture to be made."""

    session_id: str
    marker: str
    bytes_max: int
    packets_max: int
    until_ns: int
    """When it ends by itself, time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A connection without a marker, known by numbers that only its own path has seen."""

    server_key: int | None = None
    """Multipath TCP key of the server's SYN/ACK (RFC 8684, section 3.1)."""
    client_isn: int | None = None
    """Initial sequence numbers of plain TCP; both or none."""
    server_isn: int | None = None


class CaptureService(Protocol):
    """Every method may raise `ProblemError`: ``capture-unavailable`` or ``disk-full``."""

    def available(self) -> bool:
        """Say whether captures can be made now."""

    def counts(self) -> dict[str, int]:
        """Return the service's own counts for metrics; empty while it is away."""

    def start(self, order: Order) -> Summary:
        """Start a capture, or return how far it is if it runs already."""

    def stop(self, session_id: str, *, because: str) -> Summary | None:
        """Stop it; none if there never was one."""

    def summary(self, session_id: str) -> Summary | None:
        """Return how far it is; none if there never was one."""

    def claim(self, session_id: str, claims: Sequence[Claim]) -> int:
        """Add connections to a running capture; return how many were found by now."""

    def handshakes(self, session_id: str) -> Handshakes:
        """Return how the connections of a running capture were opened, up to now."""

    def file(self, session_id: str) -> Path:
        """Return where a stopped capture's file is."""

    def forget(self, session_id: str) -> None:
        """Remove all that was captured for a session."""
