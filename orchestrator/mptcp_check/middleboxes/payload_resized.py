"""The payload becomes longer or shorter on the way, and all later numbers are moved to fit.

Real boxes: application-level gateways for FTP, SIP and IRC that put another address into the
text (Linux's ``nf_nat_ftp`` with ``nf_conntrack_seqadj.c``), proxies that insert HTTP headers.
They keep TCP right for both ends, SACK included, and know nothing of the mappings of Multipath
TCP: from the edit on these point to other bytes.

Linux 6.18: two bytes more in the middle of an upload of single messages, checksums off and one
subflow: the server finds bytes without a mapping and falls back
(``MPTcpExtDSSCorruptionFallback``), the client resets, the application hangs; off and two: that
subflow is reset (``MPTcpExtDSSCorruptionReset``), as many bytes arrive as were sent, and some are
wrong; on and one: MP_FAIL and a clean fallback, with the box's bytes; on and two: that subflow is
reset and its data sent again on the other, right (measured; RFC 8684, sections 3.3.1 and 3.7).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.connection_table import of_streams
from mptcp_check.middleboxes.frame import FIN, PSH, RST, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.segmentation import pieces
from mptcp_check.middleboxes.stream_shift import StreamShift, opens, renumbered
from mptcp_check.middleboxes.tcp_header import edited
from mptcp_check.model import Direction

_LEAST_MTU_BYTES, _MOST_MTU_BYTES = 576, 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What grows or shrinks: text that is replaced, or else bytes at an offset of a segment."""

    old: bytes = b""
    """What is replaced wherever a segment holds it whole; empty for the fields below."""
    new: bytes = b""
    """What stands there instead of ``old``."""
    growth_bytes: int = 2
    """How many bytes are inserted; a negative number deletes so many."""
    fill: int = 0x20
    """The inserted byte, 0 to 255."""
    offset_bytes: int = 500
    """Where in the payload, or before its last byte if it is shorter."""
    minimum_payload_bytes: int = 1000
    """Shorter segments are not counted and not chosen."""
    skip_count: int = 0
    """How many segments that are long enough, or places that match, pass before the first."""
    segment_count: int = 1
    """How many are edited, per TCP connection and direction."""
    mtu_bytes: int = 1500
    """A segment that would become longer leaves as two."""
    scope: Scope = EVERYTHING
    """The direction is that of the data."""

    def __post_init__(self) -> None:
        if self.old == self.new and (self.old or self.growth_bytes == 0):
            raise ValueError("nothing would change: give old and new, or a growth that is not zero")
        if self.new and not self.old:
            raise ValueError("new needs old: what is to be replaced")
        if not 0 <= self.fill <= 0xFF:  # noqa: PLR2004 - a byte
            raise ValueError(f"fill is a byte, 0 to 255, not {self.fill}")
        if self.minimum_payload_bytes < 1 or self.offset_bytes < 0 or self.segment_count < 1:
            raise ValueError("a segment needs a byte to edit, at an offset of zero or more")
        if self.skip_count < 0 or not _LEAST_MTU_BYTES <= self.mtu_bytes <= _MOST_MTU_BYTES:
            raise ValueError("skip_count is 0 or more, mtu_bytes 576 to 65535")
        if max(len(self.new), abs(self.growth_bytes)) > self.mtu_bytes:
            raise ValueError(f"at most {self.mtu_bytes} bytes are inserted or deleted at a place")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Stream:
    """One direction of a connection."""

    shift: StreamShift = field(default_factory=StreamShift)
    seen_count: int = 0


class PayloadResized:
    """Edits the stream and keeps sequence, acknowledgment and SACK right at both ends.

    Bytes that arrive after later ones (reordered, or lost before the box) are not edited, as the
    number of what follows them is given out already.
    """

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = of_streams(_Stream)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments left with another payload or other numbers."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Edit and renumber one segment; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        frames: Sequence[bytes] = (frame,)
        if segment is not None:
            frames = tuple(self._edited(segment, direction))
            self._acted_count += frames[0] is not frame
        return [Emission(frame=each, direction=direction, at_ns=now_ns) for each in frames]

    def _edited(self, segment: TcpSegment, direction: Direction) -> Iterator[bytes]:
        streams = self._connections.of(segment)
        own, peer = streams[direction], streams[opposite(direction)]
        covered = self._watch.covers(segment, direction)
        if segment.payload_bytes and not opens(segment) and not segment.flags & RST:
            if covered:
                self._choose(own, segment)
            own.shift.note(segment)
        renumbered_frame = renumbered(segment, own.shift, peer.shift)
        content = own.shift.content(segment)
        if content == segment.payload:
            yield renumbered_frame
            return
        moved = tcp_segment(renumbered_frame) or segment
        if not content and not segment.flags & FIN:
            # Nothing is left of it, but its sender waits for an answer: as a keep-alive gets one
            # (RFC 9293, section 3.8.4).
            yield edited(moved, sequence=moved.sequence - 1, payload=b"", flags=moved.flags & ~PSH)
            return
        header_bytes = segment.payload_offset - segment.packet.offset
        room = max(self._parameters.mtu_bytes - header_bytes, 1)
        yield from pieces(moved, content, max(room, segment.payload_bytes))

    def _choose(self, stream: _Stream, segment: TcpSegment) -> None:
        """Decide about the bytes of a segment, if they are new."""
        if not stream.shift.is_new(segment.sequence):
            return
        for at, removed_bytes, inserted in self._places(segment.payload):
            stream.seen_count += 1
            wanted = stream.seen_count - self._parameters.skip_count
            if 0 < wanted <= self._parameters.segment_count:
                stream.shift.edit(segment.sequence + at, removed_bytes, inserted)

    def _places(self, payload: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield what could be edited: where, how many bytes, and what comes instead."""
        wanted = self._parameters
        if wanted.old:
            at = payload.find(wanted.old)
            while at >= 0:
                yield at, len(wanted.old), wanted.new
                at = payload.find(wanted.old, at + len(wanted.old))
            return
        if len(payload) < wanted.minimum_payload_bytes:
            return
        at = min(wanted.offset_bytes, len(payload) - 1)
        if wanted.growth_bytes > 0:
            yield at, 0, bytes((wanted.fill,)) * wanted.growth_bytes
        else:
            yield at, min(-wanted.growth_bytes, len(payload) - at), b""
