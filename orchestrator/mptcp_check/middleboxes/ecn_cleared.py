"""ECN bits are cleared on the way.

Real boxes: routers that write the whole byte of DSCP and ECN when they mean the DSCP only (Bauer,
Beverly and Berger, "Measuring the state of ECN readiness in servers, clients, and routers", IMC
2011).

Linux 6.18: no consequence for MPTCP (measured); marks of congestion are lost (RFC 3168, section 5).
"""

import enum
from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.header_fields import (
    FLAGS,
    traffic_class,
    with_tcp_field,
    with_traffic_class,
)
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_ECN_BITS = 0x03
_ECE_AND_CWR = 0xC0


class Header(enum.Enum):
    """Where ECN is told (RFC 3168, sections 5 and 6.1)."""

    IP = 0
    TCP = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which bits."""

    headers: frozenset[Header] = frozenset({Header.IP})
    """ip: the two ECN bits; tcp: the flags ECE and CWR, without which ECN is not agreed on."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class EcnCleared(SegmentRewriter):
    """Clears ECN in packets of TCP."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._headers = parameters.headers

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without ECN bits."""
        if Header.TCP in self._headers:
            frame = with_tcp_field(segment, FLAGS, segment.flags & ~_ECE_AND_CWR)
            if Header.IP not in self._headers:
                return frame
            segment = tcp_segment(frame) or segment
        return with_traffic_class(segment.packet, traffic_class(segment.packet) & ~_ECN_BITS)
