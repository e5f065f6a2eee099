"""Segments with long TCP options are dropped; which options they are does not matter.

Real boxes: such as read the header into a buffer of fixed size or look for the payload at a fixed
offset; Multipath TCP's third ACK and first data fill 32 of the 40 bytes there are.

Linux 6.18: with the default limit SYNs pass (24 bytes with timestamps and MP_CAPABLE), the SYN/ACK
with the server's key (32 bytes) does not, and no connection is made, where plain TCP (20 bytes)
works. The client counts ``MPTcpExtMPCapableSYNTXDrop`` after 3 s, as with
``mp_capable_synack_dropped`` (measured).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import MAX_OPTIONS_BYTES, TcpSegment
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is long."""

    limit_bytes: int = 24
    """The longest options that pass, padding included; a multiple of four from 0 to 36."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.limit_bytes % 4 or not 0 <= self.limit_bytes < MAX_OPTIONS_BYTES:
            raise ValueError(f"limit_bytes is a multiple of 4 below 40, not {self.limit_bytes}")


DEFAULT = Parameters()


class LongOptionsDropped(SegmentRewriter):
    """Drops segments by the length of their header."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._limit_bytes = parameters.limit_bytes

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for a segment with long options, anything else as it is."""
        return segment.packet.frame if len(segment.options) <= self._limit_bytes else None
