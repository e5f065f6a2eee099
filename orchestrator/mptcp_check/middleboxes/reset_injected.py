"""A RST that neither end sent kills the TCP connection in the middle of its life.

Real boxes: firewalls that reject what a rule or a time-out ended (``reject with tcp reset``),
censors and traffic managers that forge a RST to both ends (Weaver et al., "Detecting Forged TCP
Reset Packets", NDSS 2009).

Linux 6.18: with one subflow the application hangs until ``net.mptcp.close_timeout``, where plain
TCP would fail at once, as the connection waits for another subflow; with two nothing is noticed.
Both ends count ``TcpEstabResets`` (measured; RFC 8684, section 3.6).
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.connection_table import ConnectionTable
from mptcp_check.middleboxes.crafting import DEFAULT_TTL, Road, check_ttl, crafted
from mptcp_check.middleboxes.frame import ACK, RST, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.sequence import unwrapped
from mptcp_check.middleboxes.tcp_header import occupied_bytes
from mptcp_check.model import FRAME_DIRECTIONS, Direction


class Target(enum.StrEnum):
    """Who gets a RST."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"


class Afterwards(enum.StrEnum):
    """What becomes of later segments of the connection, and of the one that was answered."""

    PASS = "pass"  # noqa: S105 - no password
    DROP = "drop"
    """The box has forgotten the connection and says no more."""


_WAYS = {
    Target.CLIENT: (Direction.S2C,),
    Target.SERVER: (Direction.C2S,),
    Target.BOTH: FRAME_DIRECTIONS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """When it comes, for whom, and from how far it seems to come."""

    after_count: int = 20
    """How many segments of a connection in the scope pass before."""
    target: Target = Target.BOTH
    """Who gets a RST; client and server are the machines at the ends of the link."""
    afterwards: Afterwards = Afterwards.PASS
    """What becomes of the connection's segments from then on."""
    ttl: int = DEFAULT_TTL
    """Time to live or hop limit of the RST, 1 to 255: it tells where a forger stands."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.after_count < 0:
            raise ValueError(f"after_count is 0 or more, not {self.after_count}")
        check_ttl(self.ttl)


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Connection:
    """What a forger must know of a connection."""

    seen_count: int = 0
    reset: bool = False
    next: dict[Direction, int] = field(default_factory=dict[Direction, int])
    """The number that each end's peer expects next: after all that passed on to it."""


class ResetInjected:
    """Sends one RST to each end that is to get one, once per connection."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = ConnectionTable(_Connection)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many resets were sent and segments dropped."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Count one segment, and reset its connection if it is time; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        passed = (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        if segment is None:
            return passed
        connection = self._connections.of(segment)
        self._follow(connection, segment, direction)
        covered = self._watch.covers(segment, direction)
        if connection.reset:
            if self._parameters.afterwards is Afterwards.PASS:
                return passed
            self._acted_count += 1
            return ()
        connection.seen_count += covered
        ripe = connection.seen_count > self._parameters.after_count
        if not (covered and ripe) or segment.flags & RST or not segment.flags & ACK:
            return passed
        connection.reset = True
        road = Road.along(segment)
        resets = [
            Emission(
                frame=self._reset(connection, road if way is direction else road.back(), way),
                direction=way,
                at_ns=now_ns,
            )
            for way in _WAYS[self._parameters.target]
        ]
        self._acted_count += len(resets)
        return [*passed, *resets] if self._parameters.afterwards is Afterwards.PASS else resets

    @staticmethod
    def _follow(connection: _Connection, segment: TcpSegment, direction: Direction) -> None:
        """Remember how far each end's numbers have come."""
        end = segment.sequence + occupied_bytes(segment)
        ends = [(direction, end)]
        if segment.flags & ACK:
            ends.append((opposite(direction), segment.acknowledgement))
        for way, number in ends:
            near = connection.next.get(way, number)
            connection.next[way] = max(near, unwrapped(number, near))

    def _reset(self, connection: _Connection, road: Road, way: Direction) -> bytes:
        """Return a RST that its receiver takes: exactly the number it expects (RFC 5961)."""
        return crafted(
            road,
            sequence=connection.next[way],
            acknowledgment=connection.next[opposite(way)],
            flags=RST | ACK,
            window=0,
            ttl=self._parameters.ttl,
        )
