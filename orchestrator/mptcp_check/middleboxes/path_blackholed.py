"""The path stops forwarding in the middle of a connection, in silence.

Real boxes: a radio that lost its cell, a firewall or NAT whose state was flushed or timed out, a
route that leads nowhere while it converges.

Linux 6.18: on one of two subflows the transfer stalls for some time-outs of that subflow (0.3 s
to 2.7 s), what was lost goes over the other (``MPTcpExtMPTCPRetrans``), and
``MPTcpExtSubflowStale`` counts unless that was the last; on the only one the application waits
like one over TCP (measured; RFC 8684, section 3.3.6).
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.connection_table import ConnectionTable
from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


class Extent(enum.StrEnum):
    """What is no longer forwarded."""

    CONNECTION = "connection"
    """The segments in the scope of the TCP connection that was counted: one subflow."""
    LINK = "link"
    """Every frame in the scope's direction, of whatever kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """When it begins and ends."""

    after_count: int = 20
    """How many segments of a connection in the scope pass before."""
    extent: Extent = Extent.CONNECTION
    """Whether one TCP connection is lost, or every frame of the link."""
    duration_ns: int = 0
    """How long it lasts; zero is for ever."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.after_count < 0 or self.duration_ns < 0:
            raise ValueError("after_count and duration_ns are 0 or more")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Hole:
    """How far a connection, or the link, is from its end."""

    seen_count: int = 0
    since_ns: int | None = None


class PathBlackholed:
    """Lets some segments of a connection pass and then no more."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = ConnectionTable(_Hole)
        self._link = _Hole()
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many frames were dropped."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass or drop one frame; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        lost = segment is not None and self._counted(segment, direction, now_ns)
        if self._parameters.extent is Extent.LINK:
            ways = {Direction.BOTH, direction}
            lost = self._holds(self._link, now_ns) and self._parameters.scope.direction in ways
        if lost:
            self._acted_count += 1
            return ()
        return (Emission(frame=frame, direction=direction, at_ns=now_ns),)

    def _counted(self, segment: TcpSegment, direction: Direction, now_ns: int) -> bool:
        """Count a segment and say whether its connection's path is gone."""
        hole = self._connections.of(segment)
        if not self._watch.covers(segment, direction):
            return False
        hole.seen_count += 1
        if hole.seen_count > self._parameters.after_count:
            for begins in (hole, self._link):
                begins.since_ns = now_ns if begins.since_ns is None else begins.since_ns
        return self._holds(hole, now_ns)

    def _holds(self, hole: _Hole, now_ns: int) -> bool:
        lasts_ns = self._parameters.duration_ns
        return hole.since_ns is not None and (lasts_ns == 0 or now_ns < hole.since_ns + lasts_ns)
