"""Data with MPTCP options is dropped in silence; handshakes and pure ACKs pass.

Real boxes: firewalls and intrusion detectors that check options against what the protocol is
known to send once there is payload, and drop what they do not know.

Linux 6.18: nothing arrives, the data is sent again with the same options (``TcpExtTCPTimeouts``),
and the applications hang: there is no fallback once the handshake is done, where plain TCP works
(measured; RFC 8684, section 3.7).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import carries, mptcp
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_IS_MPTCP = mptcp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What it is done to."""

    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MptcpDataDropped(SegmentRewriter):
    """Drops every segment with payload and an MPTCP option."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for data with an MPTCP option, anything else as it is."""
        if segment.payload_bytes and carries(segment.options, _IS_MPTCP):
            return None
        return segment.packet.frame
