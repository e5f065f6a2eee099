"""The urgent pointer is set to zero, and by default the URG flag is cleared.

Real boxes: firewalls that will not have two ends differ on which byte is urgent; Cisco's ASA does
it by default (``tcp-map``, ``urgent-flag clear``).

Linux 6.18: no consequence for MPTCP, whose sockets take ``MSG_OOB`` and send an ordinary byte
(measured; RFC 9293, section 3.8.5; RFC 6093).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.header_fields import FLAGS, URGENT, with_tcp_field
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_URG = 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is cleared."""

    clear_flag: bool = True
    """Whether the URG flag goes as well; with no, it points at nothing."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class UrgentPointerCleared(SegmentRewriter):
    """Clears the urgent pointer of every segment."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._clear_flag = parameters.clear_flag

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without an urgent pointer."""
        frame = with_tcp_field(segment, URGENT, 0)
        if not self._clear_flag or not segment.flags & _URG:
            return frame
        return with_tcp_field(tcp_segment(frame) or segment, FLAGS, segment.flags & ~_URG)
