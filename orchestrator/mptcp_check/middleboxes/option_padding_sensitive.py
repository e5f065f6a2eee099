"""Segments are dropped when an option neither begins nor ends on a 32-bit boundary.

RFC 9293, section 3.1, lets options begin anywhere.  All usual systems pad them so that each
begins or ends at a multiple of four bytes: Linux and Windows with no-operations before, and
timestamps behind SACK-permitted; a program that writes its options without padding does not.

Real boxes: such as read an option's value as aligned words; Honda et al. ("Is it still possible to
extend TCP?", IMC 2011) sent each SYN padded and unpadded to find them.

Linux 6.18: no consequence for MPTCP: its options are aligned in SYNs.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import walk
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """In which segments."""

    syn_only: bool = True
    """Whether only SYN and SYN/ACK are looked at; ADD_ADDR with a port is unaligned in data."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class OptionPaddingSensitive(SegmentRewriter):
    """Drops segments by where their options lie."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._syn_only = parameters.syn_only

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for a segment with an unaligned option, anything else as it is."""
        if self._syn_only and not (segment.is_syn or segment.is_syn_ack):
            return segment.packet.frame
        unaligned = any(at % 4 and (at + length) % 4 for at, length in walk(segment.options))
        return None if unaligned else segment.packet.frame
