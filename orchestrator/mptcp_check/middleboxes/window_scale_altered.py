"""The window scale in SYN or SYN/ACK is another one when it arrives; the windows are not corrected.

Real boxes: routers that wrote zero over the scale and made transfers crawl (J. Corbet, "TCP window
scaling and broken routers", LWN, July 2004).

Linux 6.18: no consequence for MPTCP with the default, one lower: half the window.  Who is told zero
(``change=-14``) sends 30 kB in 5 s (measured; RFC 7323, section 2).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import WINDOW_SCALE, altered, of_kind
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_IS_WINDOW_SCALE = of_kind(frozenset({WINDOW_SCALE}))
_OPTION_BYTES = 3
_MAX_SHIFT = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """By how much."""

    change: int = -1
    """Added to the shift, which stays from 0 to 14 (RFC 7323, section 2.3); -14 makes it 0."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 0 < abs(self.change) <= _MAX_SHIFT:
            raise ValueError(f"change is -14 to 14 and not 0, not {self.change}")


DEFAULT = Parameters()


class WindowScaleAltered(SegmentRewriter):
    """Changes the shift in SYN and SYN/ACK."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._change = parameters.change

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return SYN and SYN/ACK with another shift, anything else as it is."""
        if not (segment.is_syn or segment.is_syn_ack):
            return segment.packet.frame
        return with_options(segment, altered(segment.options, _IS_WINDOW_SCALE, self._shifted))

    def _shifted(self, option: bytes) -> bytes:
        if len(option) != _OPTION_BYTES:
            return option
        return option[:2] + bytes((min(_MAX_SHIFT, max(0, option[2] + self._change)),))
