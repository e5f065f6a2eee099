"""SYN/ACKs with MP_CAPABLE are dropped in silence, plain ones pass.

Real boxes: firewalls that drop segments with option 30 and that only the way back crosses, as
routes are often asymmetric.

Linux 6.18: the connection is never made.  The client's fourth SYN is plain, but it meets the
request that the server already keeps, and the server goes on answering with MP_CAPABLE: plain TCP
would have connected.  The client counts ``MPTcpExtMPCapableSYNTXDrop``, the server nothing of
MPTCP beyond the SYN (measured; RFC 8684, section 3.7, foresees a fallback for a lost SYN only).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_CAPABLE, carries, mptcp
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_HAS_MP_CAPABLE = mptcp(MP_CAPABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What it is done to."""

    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MpCapableSynackDropped(SegmentRewriter):
    """Drops every SYN/ACK that carries MP_CAPABLE."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for a SYN/ACK with MP_CAPABLE, anything else as it is."""
        if segment.is_syn_ack and carries(segment.options, _HAS_MP_CAPABLE):
            return None
        return segment.packet.frame
