"""Which segments a behaviour is about: many real boxes look at one port or one direction only."""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A filter over TCP segments; the default lets everything in."""

    direction: Direction = Direction.BOTH
    """Which way the segment travels."""
    ports: frozenset[int] = frozenset()
    """Source or destination ports; empty for all."""

    def covers(self, segment: TcpSegment, direction: Direction) -> bool:
        """Say whether the behaviour applies to a segment that travels in a direction."""
        if self.direction is not Direction.BOTH and self.direction is not direction:
            return False
        return not self.ports or not self.ports.isdisjoint(
            (segment.source_port, segment.destination_port)
        )


EVERYTHING = Scope()
