"""MPTCP options vanish from every segment that is no SYN, the third ACK being the first of them.

Real boxes: proxies and normalisers that let the handshake through and write the headers of what
follows anew (Honda et al., "Is it still possible to extend TCP?", IMC 2011, tried options in SYNs
and in data apart for that).

Linux 6.18: both go on as plain TCP at the first data. Towards the server the client counts
``MPTcpExtMPCapableDataFallback`` and the server ``MPTcpExtMPCapableFallbackACK``; towards the
client only, the client counts the same and the server ``MPTcpExtDssFallback``, if it is the client
that sends data. If the server sends, it goes on believing in MPTCP, and in bulk what it repeats at
the data level is new data for the client: bytes are delivered twice (measured, also with nftables
in the place of this box; RFC 8684, section 3.7).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import Removal, mptcp, removed
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_IS_MPTCP = mptcp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How it is done."""

    removal: Removal = Removal.NOP
    """Whether their bytes become no-operations, or go and the header shrinks."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MptcpOptionRemovedFromData(SegmentRewriter):
    """Takes every MPTCP option out of all segments but SYN and SYN/ACK."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the options, SYN and SYN/ACK as they are."""
        if segment.is_syn or segment.is_syn_ack:
            return segment.packet.frame
        return with_options(segment, removed(segment.options, _IS_MPTCP, self._removal))
