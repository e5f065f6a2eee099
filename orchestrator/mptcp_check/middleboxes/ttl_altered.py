"""The TTL, IPv6's hop limit, is written anew.

Real boxes: proxies and firewalls that send packets as their own; normalisers that raise low ones,
such as OpenBSD's pf with ``min-ttl``; operators that look for tethering.

Linux 6.18: no consequence for MPTCP (measured; RFC 791, section 3.1).  Packets of TCP only are
treated: neighbour discovery would not survive it.
"""

import enum
from dataclasses import dataclass

from mptcp_check.middleboxes.crafting import check_ttl
from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.header_fields import hop_limit, with_hop_limit
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


class Operation(enum.Enum):
    """What is done with the number."""

    SET = 0
    SUBTRACT = 1
    RAISE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How, and with what."""

    operation: Operation = Operation.SET
    """set: it becomes the value; subtract: it loses the value, and what has no more is dropped, as
    routers do; raise: it becomes the value if it was lower."""
    value: int = 128
    """1 to 255; by default none that Linux sends."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_ttl(self.value)


DEFAULT = Parameters()


class TtlAltered(SegmentRewriter):
    """Changes the TTL of packets of TCP."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._parameters = parameters

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return the segment in a packet with another TTL, or none if it is used up."""
        before, value = hop_limit(segment.packet), self._parameters.value
        after = {
            Operation.SET: value,
            Operation.SUBTRACT: before - value,
            Operation.RAISE: max(before, value),
        }[self._parameters.operation]
        return with_hop_limit(segment.packet, after) if after > 0 else None
