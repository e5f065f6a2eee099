"""MP_CAPABLE vanishes from the SYN/ACK: the server believes in MPTCP, the client cannot.

Real boxes: those that take the option out of every segment, seen on the way back only because the
way there does not cross them (asymmetric routes); RFC 8684, section 3.7, has the case.

Linux 6.18: the client goes on as plain TCP and counts ``MPTcpExtMPCapableFallbackSYNACK``; the
server sees a third ACK without MP_CAPABLE, falls back too and counts
``MPTcpExtMPCapableFallbackACK`` (measured; RFC 8684, section 3.7).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_CAPABLE, Removal
from mptcp_check.middleboxes.rewriting import SegmentRewriter, without_mptcp_option
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How it is done."""

    removal: Removal = Removal.NOP
    """Whether its bytes become no-operations, or go and the header shrinks."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MpCapableRemovedFromSynack(SegmentRewriter):
    """Takes MP_CAPABLE out of every SYN/ACK."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the SYN/ACK without the option, anything else as it is."""
        if not segment.is_syn_ack:
            return segment.packet.frame
        return without_mptcp_option(segment, MP_CAPABLE, self._removal)
