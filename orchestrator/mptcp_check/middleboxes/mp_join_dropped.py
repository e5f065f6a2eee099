"""SYNs with MP_JOIN are dropped in silence; the first subflow is left alone.

Real boxes: firewalls that inspect what they let through allow Multipath TCP's first subflow,
whose bytes they can follow, and drop attempts to open further ones.

Linux 6.18: the client sends the SYN again after 1, 2, 3 … seconds, always with MP_JOIN, and the
connection goes on over the first subflow.  It counts ``MPTcpExtMPJoinSynTx``, and TcpExtSynRetrans
if the connection lives that long (measured; RFC 8684, section 3.2).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_JOIN, carries, mptcp
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_HAS_MP_JOIN = mptcp(MP_JOIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What it is done to."""

    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MpJoinDropped(SegmentRewriter):
    """Drops every SYN that carries MP_JOIN."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for a SYN with MP_JOIN, anything else as it is."""
        if segment.is_syn and carries(segment.options, _HAS_MP_JOIN):
            return None
        return segment.packet.frame
