"""The receive window is smaller when it arrives.

Real boxes: bandwidth managers that slow a sender down by the window instead of by loss, and
proxies that tell their own buffer.

Linux 6.18: no consequence for MPTCP; the sender has less in flight (measured at half; RFC 9293,
section 3.8.6, and RFC 8684, section 3.3.1: subflows share one window, told in the same field).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import RST, TcpSegment
from mptcp_check.middleboxes.header_fields import WINDOW, tcp_field, with_tcp_field
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How much is left."""

    percent: int = 50
    """Of each window; what was not zero stays at least 1."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 0 <= self.percent < _PERCENT:
            raise ValueError(f"percent is 0 to 99, not {self.percent}")


DEFAULT = Parameters()


class WindowAltered(SegmentRewriter):
    """Lowers every window by the same share, so that its right edge never moves back."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._percent = parameters.percent

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment with a smaller window; a RST's means nothing and stays."""
        window = tcp_field(segment, WINDOW)
        if segment.flags & RST or window == 0:
            return segment.packet.frame
        return with_tcp_field(segment, WINDOW, max(1, window * self._percent // _PERCENT))
