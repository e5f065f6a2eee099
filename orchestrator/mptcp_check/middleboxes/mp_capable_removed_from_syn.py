"""MP_CAPABLE vanishes from the SYN: the server never learns that the client speaks MPTCP.

Real boxes: firewalls that know option 30 and take it out, such as Cisco ASA, which by default
overwrites it with no-operations (Cisco document 116519), and PAN-OS 8.0 and later, whose setting
``strip-mptcp-option`` is on by default; normalisers that let through only options they know
(Honda et al., "Is it still possible to extend TCP?", IMC 2011).

Linux 6.18: the server answers as plain TCP and both go on without delay; the client counts
``MPTcpExtMPCapableFallbackSYNACK`` once, the server nothing (measured; RFC 8684, section 3.7).
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
    """Both directions by default: in active FTP the server opens the data connection."""


DEFAULT = Parameters()


class MpCapableRemovedFromSyn(SegmentRewriter):
    """Takes MP_CAPABLE out of every SYN."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the SYN without the option, anything else as it is."""
        if not segment.is_syn:
            return segment.packet.frame
        return without_mptcp_option(segment, MP_CAPABLE, self._removal)
