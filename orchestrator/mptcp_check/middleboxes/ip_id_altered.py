"""The identification in IPv4 headers is another one when the packet arrives.

Real boxes: NATs and firewalls that hide how many hosts are behind them, such as OpenBSD's pf with
``random-id``, and proxies, whose packets are their own.

Linux 6.18: no consequence for MPTCP (measured; RFC 6864, section 4, lets it mean anything in
packets that are not fragments).  Fragments are left alone, and IPv6 has none.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.header_fields import IPV4, with_identification
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_MODULUS = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is written."""

    first: int = 1
    """The first packet's; 0 to 65535."""
    step: int = 1
    """From one packet to the next, modulo 65536; 0 writes the same always."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not (0 <= self.first < _MODULUS and 0 <= self.step < _MODULUS):
            raise ValueError(f"first and step are 0 to 65535, not {self.first} and {self.step}")


DEFAULT = Parameters()


class IpIdAltered(SegmentRewriter):
    """Counts the identification anew, both directions and all connections together."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._next = parameters.first
        self._step = parameters.step

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment in a packet with the next identification."""
        if segment.packet.family != IPV4:
            return segment.packet.frame
        identification = self._next
        self._next = (identification + self._step) % _MODULUS
        return with_identification(segment.packet, identification)
