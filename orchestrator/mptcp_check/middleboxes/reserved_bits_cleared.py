"""The reserved bits of the TCP header are cleared.

Real boxes: normalisers; Cisco's ASA can (``tcp-map``, ``reserved-bits clear``).  The lowest of
the four bits has since become the flag AE of accurate ECN (RFC 9768).

Linux 6.18: no consequence for MPTCP, which sends them as zero (RFC 9293, section 3.1).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.header_fields import OFFSET_AND_RESERVED, tcp_field, with_tcp_field
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_ALL = 0x0F


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which bits."""

    mask: int = _ALL
    """The bits that are cleared, 1 to 15; 1 is AE only, 14 all but AE."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 1 <= self.mask <= _ALL:
            raise ValueError(f"mask is 1 to 15, not {self.mask}")


DEFAULT = Parameters()


class ReservedBitsCleared(SegmentRewriter):
    """Clears reserved bits in every segment."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._mask = parameters.mask

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the bits."""
        field = tcp_field(segment, OFFSET_AND_RESERVED)
        return with_tcp_field(segment, OFFSET_AND_RESERVED, field & ~self._mask)
