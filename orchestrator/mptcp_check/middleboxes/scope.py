"""Which segments a behaviour is about: many real boxes look at one port or one direction only."""

import enum
from collections import OrderedDict
from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_JOIN, carries, mptcp
from mptcp_check.model import Direction

MAX_CONNECTIONS = 4096
"""How many TCP connections a box remembers; the least recently used one is forgotten."""

_MAX_PORT = 0xFFFF
_HAS_MP_JOIN = mptcp(MP_JOIN)


class Subflows(enum.StrEnum):
    """Which subflows of Multipath TCP connections a box is about."""

    ANY = "any"
    FIRST = "first"
    """TCP connections whose SYN carried no MP_JOIN; plain TCP too, and those without a SYN."""
    FURTHER = "further"
    """TCP connections whose SYN carried MP_JOIN when it came to this box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A filter over TCP segments; the default lets everything in."""

    direction: Direction = Direction.BOTH
    """Which way the segment travels; c2s is from the client's machine."""
    ports: frozenset[int] = frozenset()
    """Source or destination ports; none for all."""
    subflow: Subflows = Subflows.ANY
    """Only first or only further subflows, told by MP_JOIN in the SYN."""
    first_segment: int = 1
    """From which segment of a TCP connection on, both directions counted, the SYN being 1."""

    def __post_init__(self) -> None:
        for port in self.ports:
            if not 0 < port <= _MAX_PORT:
                raise ValueError(f"ports are 1 to {_MAX_PORT}, not {port}")
        if self.first_segment < 1:
            raise ValueError(f"first_segment counts from 1, not {self.first_segment}")

    def watch(self) -> "ScopeWatch":
        """Return what applies this scope to the segments that pass one box."""
        return ScopeWatch(self)


EVERYTHING = Scope()


@dataclass(slots=True, kw_only=True)
class _Connection:
    """One TCP connection, as far as a scope must know it."""

    syn_sequence: int | None = None
    further: bool = False
    segment_count: int = 0


class ScopeWatch:
    """A scope and what it must remember of the connections that pass.

    Args:
        scope: The filter.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._remembers = scope.subflow is not Subflows.ANY or scope.first_segment > 1
        self._connections: OrderedDict[bytes, _Connection] = OrderedDict()

    def covers(self, segment: TcpSegment, direction: Direction) -> bool:
        """Say whether the behaviour applies to a segment; to be asked once for each, in order.

        A retransmission counts as a segment: a box that begins to act in the middle of a
        connection acts on what is sent again, too.
        """
        scope = self._scope
        if scope.ports and scope.ports.isdisjoint((segment.source_port, segment.destination_port)):
            return False
        if self._remembers:
            connection = self._counted(segment)
            if connection.segment_count < scope.first_segment:
                return False
            if scope.subflow is not Subflows.ANY and (
                connection.further is not (scope.subflow is Subflows.FURTHER)
            ):
                return False
        return scope.direction in {Direction.BOTH, direction}

    def _counted(self, segment: TcpSegment) -> _Connection:
        """Return the connection of a segment, the segment counted."""
        key = segment.connection
        connection = self._connections.setdefault(key, _Connection())
        if segment.is_syn and connection.syn_sequence != segment.sequence:
            # Ports are used again, and a SYN sent again is no new connection.
            connection = self._connections[key] = _Connection(
                syn_sequence=segment.sequence, further=carries(segment.options, _HAS_MP_JOIN)
            )
        self._connections.move_to_end(key)
        if len(self._connections) > MAX_CONNECTIONS:
            self._connections.popitem(last=False)
        connection.segment_count += 1
        return connection
