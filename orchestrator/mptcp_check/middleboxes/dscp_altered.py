"""The DSCP is another one when the packet arrives.

Real boxes: networks that do not trust their neighbours' marks and write zero ("bleaching") or a
class of their own (Custura et al., "Exploring DSCP modification pathologies in mobile edge
networks", TMA 2017).

Linux 6.18: no consequence for MPTCP (measured; RFC 2474, section 3).  Packets of TCP only are
marked here.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.header_fields import traffic_class, with_traffic_class
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_ECN_BITS = 0x03
_MAX_DSCP = 0x3F


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is written."""

    dscp: int = 8
    """0 to 63; by default class selector 1, as zero is what most programs send anyway."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 0 <= self.dscp <= _MAX_DSCP:
            raise ValueError(f"dscp is 0 to {_MAX_DSCP}, not {self.dscp}")


DEFAULT = Parameters()


class DscpAltered(SegmentRewriter):
    """Writes a DSCP into IPv4 and IPv6 headers and leaves ECN alone."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._dscp = parameters.dscp

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment in a packet with the DSCP."""
        ecn = traffic_class(segment.packet) & _ECN_BITS
        return with_traffic_class(segment.packet, self._dscp << 2 | ecn)
