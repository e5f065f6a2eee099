"""Segments arrive with a wrong TCP checksum.

Real boxes: hardware and drivers that change a packet and do not finish its checksum, of which
offloading to network cards has made many; memory errors in routers (Stone and Partridge, "When
the CRC and TCP checksum disagree", SIGCOMM 2000).

Linux 6.18: no consequence for MPTCP: the receiver drops the segment, counts ``TcpInCsumErrors``,
and it is sent again (measured; RFC 9293, section 3.1).
"""

from collections import OrderedDict
from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.header_fields import (
    CHECKSUM,
    is_checksum_valid,
    tcp_field,
    with_tcp_field,
)
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, MAX_CONNECTIONS, Scope
from mptcp_check.model import Direction

_WRONG_BIT = 0x0001


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which segments."""

    minimum_payload_bytes: int = 1
    """Shorter segments are not counted and not chosen; 0 for all, handshakes too."""
    skip_count: int = 0
    """How many segments that are long enough pass before the first is chosen."""
    segment_count: int = 1
    """How many are chosen, per TCP connection and direction.  What is sent again counts as another
    segment: as long as it is not chosen too, the stream gets over it."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.minimum_payload_bytes < 0 or self.skip_count < 0 or self.segment_count < 1:
            raise ValueError("sizes and counts are not negative, and at least 1 segment is chosen")


DEFAULT = Parameters()


class ChecksumInvalid(SegmentRewriter):
    """Makes checksums wrong, and never a wrong one right."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._parameters = parameters
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment with a wrong checksum, if it is a chosen one."""
        wanted = self._parameters
        if segment.payload_bytes < wanted.minimum_payload_bytes:
            return segment.packet.frame
        number = self._seen[segment.flow] = self._seen.get(segment.flow, 0) + 1
        self._seen.move_to_end(segment.flow)
        if len(self._seen) > MAX_CONNECTIONS:
            self._seen.popitem(last=False)
        if not 0 < number - wanted.skip_count <= wanted.segment_count:
            return segment.packet.frame
        if not is_checksum_valid(segment):
            return segment.packet.frame
        return with_tcp_field(segment, CHECKSUM, tcp_field(segment, CHECKSUM) ^ _WRONG_BIT)
