"""MPTCP options begin to vanish in the middle of a connection.

Real boxes: any that take the options out, when the route changes onto them, a stand-by takes over
or their state is lost.

Linux 6.18: with one subflow the receiver of data falls back to plain TCP (``MPTcpExtDssFallback``)
and the sender does not: what it repeats at the data level is new data for the receiver, so that
bytes are delivered twice, or both wait for ever. With two there is no way back to plain TCP: the
receiver resets both (``MPTcpExtMPRstTx``) and the applications hang (measured in bulk, also with
nftables in the place of this box; RFC 8684, section 3.7).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import Removal, mptcp, removed
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction

_IS_MPTCP = mptcp()
_MIDSTREAM = Scope(first_segment=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How it is done."""

    removal: Removal = Removal.NOP
    """Whether their bytes become no-operations, or go and the header shrinks."""
    scope: Scope = _MIDSTREAM
    """By default from the 40th segment of each TCP connection on."""


DEFAULT = Parameters()


class MptcpOptionRemovedMidstream(SegmentRewriter):
    """Takes every MPTCP option out of what is no SYN, once a connection has got far enough."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the options, SYN and SYN/ACK as they are."""
        if segment.is_syn or segment.is_syn_ack:
            return segment.packet.frame
        return with_options(segment, removed(segment.options, _IS_MPTCP, self._removal))
