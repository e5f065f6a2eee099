"""What is known about a session's capture, and its form between the two services."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A time in which nothing was captured."""

    from_ns: int
    """Time of the last packet before it, or of the start."""
    until_ns: int
    """When the capture service was there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A capture, running or stopped; of a running one numbers grow."""

    running: bool
    started_ns: int
    stopped_ns: int | None
    because: str
    """Why it stopped: ``stopped`` by its user, ``expired``, ``failed``; empty while it runs."""
    packet_count: int
    file_bytes: int
    flow_count: int
    """TCP connections and subflows in it."""
    mp_capable_count: int
    """Flows that began with MP_CAPABLE; those that joined are counted next."""
    mp_join_count: int
    truncated: str
    """Which quota or fault ended it early: ``bytes``, ``packets``, ``disk_full``; else empty."""
    truncated_ns: int | None
    missed_packet_count: int
    """Packets of the session that are not in the file because it was truncated."""
    ring_dropped_count: int
    """Packets that the kernel lost for want of room while it ran, of whatever session."""
    shed_flow_count: int
    """Unknown connections given up while it ran, as too many waited: some may have been its."""
    interruptions: tuple[Interruption, ...]
    sha256: str
    """Of the file; empty while it runs."""

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not (
            self.truncated
            or self.missed_packet_count
            or self.ring_dropped_count
            or self.shed_flow_count
            or self.interruptions
        )

    def document(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def from_document(document: Mapping[str, Any]) -> Summary:
    """Return what `Summary.document` made.

    Raises:
        KeyError: A member is missing.
        TypeError: A member is of another kind.
    """
    members = dict(document)
    members["interruptions"] = tuple(Interruption(**one) for one in members["interruptions"])
    return Summary(**members)
