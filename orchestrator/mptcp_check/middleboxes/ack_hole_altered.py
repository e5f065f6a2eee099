"""An acknowledgment of data that the box has not seen is dropped, or corrected to what it has.

Real boxes: firewalls and proxies that check acknowledgments against the data that crossed them
(Honda et al., "Is it still possible to extend TCP?", IMC 2011, found both on a fifth of the paths
to port 80); a protocol that spreads one number space over several paths meets them.

Linux 6.18: none, as every subflow acknowledges what it carried itself; a receiver that
acknowledges ahead of the data would be stopped (RFC 8684, section 3.3).
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.connection_table import of_streams
from mptcp_check.middleboxes.frame import ACK, RST, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.seen_bytes import SeenBytes
from mptcp_check.middleboxes.tcp_header import edited, occupied_bytes
from mptcp_check.model import Direction


class Treatment(enum.StrEnum):
    """What becomes of an acknowledgment that is too high."""

    DROP = "drop"
    """The whole segment, with any data it carries."""
    CORRECT = "correct"
    """Its number becomes the highest that the box can vouch for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How it is done; the scope's direction is that of the acknowledgment."""

    treatment: Treatment = Treatment.DROP
    """Whether such a segment is dropped, or its acknowledgment corrected."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class AckHoleAltered:
    """Compares each acknowledgment with the bytes that crossed without a hole."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = of_streams(SeenBytes)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were dropped or corrected."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Check one segment; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        after: bytes | None = frame
        if segment is not None:
            streams = self._connections.of(segment)
            if not segment.flags & RST and occupied_bytes(segment):
                streams[direction].add(segment.sequence, occupied_bytes(segment))
            if self._watch.covers(segment, direction) and segment.flags & ACK:
                after = self._checked(segment, streams[opposite(direction)])
                self._acted_count += after is not frame
        if after is None:
            return ()
        return (Emission(frame=after, direction=direction, at_ns=now_ns),)

    def _checked(self, segment: TcpSegment, acknowledged: SeenBytes) -> bytes | None:
        highest = acknowledged.next
        if highest is None or acknowledged.position(segment.acknowledgement) <= highest:
            return segment.packet.frame
        if self._parameters.treatment is Treatment.DROP:
            return None
        return edited(segment, acknowledgment=highest)
