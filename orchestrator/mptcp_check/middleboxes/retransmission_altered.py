"""Bytes that are sent again arrive as other bytes than were sent the second time.

Real boxes: intrusion prevention and normalisers that keep the first copy of every byte and put it
over any later one, so that an attacker cannot show two streams to two readers (Handley et al.,
"Network Intrusion Detection: Evasion, Traffic Normalization", USENIX Security 2001); proxies that
send again from their own copy.  A faulty one sends other bytes than it got.

Linux 6.18: none while the sender repeats itself; ``damaged`` is for it as `payload_altered` is,
for bytes that were lost once (RFC 9293, section 3.8).
"""

import enum
from dataclasses import dataclass, field

from mptcp_check.middleboxes.connection_table import of_streams
from mptcp_check.middleboxes.frame import RST, SYN, TcpSegment
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.sequence import unwrapped
from mptcp_check.middleboxes.tcp_header import edited
from mptcp_check.model import Direction


class Source(enum.StrEnum):
    """Where the bytes of a retransmission come from."""

    FIRST_COPY = "first_copy"
    """As they were when they first passed."""
    DAMAGED = "damaged"
    """As they are, but each byte XORed with the mask; again and again the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What replaces the bytes that were sent again."""

    source: Source = Source.FIRST_COPY
    """Whether bytes that come again are replaced by the first copy, or damaged."""
    mask: int = 0xFF
    """Is XORed onto damaged bytes; 1 to 255."""
    cache_bytes: int = 65_536
    """How much of the newest bytes of a direction is remembered; older ones pass."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 1 <= self.mask <= 0xFF:  # noqa: PLR2004 - a byte
            raise ValueError(f"mask must be 1 to 255, not {self.mask}: zero would alter nothing")
        if self.cache_bytes < 1:
            raise ValueError("a cache of the first copies holds at least one byte")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Stream:
    """The newest bytes of one direction, without holes: a hole begins it anew."""

    end: int | None = None
    copy: bytearray = field(default_factory=bytearray)


class RetransmissionAltered(SegmentRewriter):
    """Keeps what passed, and puts it, or damage, over what passes again."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._parameters = parameters
        self._connections = of_streams(_Stream)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:
        """Return the segment with the bytes that were seen before replaced."""
        stream = self._connections.of(segment)[direction]
        if not segment.payload_bytes or segment.flags & (SYN | RST):
            return segment.packet.frame
        payload = segment.payload
        end = segment.sequence + len(payload) if stream.end is None else stream.end
        start = unwrapped(segment.sequence, end)
        first = end - len(stream.copy)
        low, high = max(start, first), min(start + len(payload), end)
        after = payload
        if low < high and stream.copy:
            before = bytes(stream.copy[low - first : high - first])
            again = payload[low - start : high - start]
            if self._parameters.source is Source.DAMAGED:
                before = bytes(byte ^ self._parameters.mask for byte in again)
            after = payload[: low - start] + before + payload[high - start :]
        self._remember(stream, start, payload)
        return segment.packet.frame if after == payload else edited(segment, payload=after)

    def _remember(self, stream: _Stream, start: int, payload: bytes) -> None:
        """Keep the bytes of a payload that are new."""
        if stream.end is None or start > stream.end:
            stream.copy.clear()
            stream.end = start
        new = payload[max(0, stream.end - start) :]
        stream.copy += new
        stream.end += len(new)
        del stream.copy[: max(0, len(stream.copy) - self._parameters.cache_bytes)]
