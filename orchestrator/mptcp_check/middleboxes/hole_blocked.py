"""Data that follows a hole in the sequence numbers is held until the hole is filled.

Real boxes: proxies, intrusion prevention and content filters that read the stream in order
(Honda et al., "Is it still possible to extend TCP?", IMC 2011, tested what paths do to a hole).
The receiver never sees that something is missing, so the sender learns of a loss before the box
by its time-out only.

Linux 6.18: one subflow is slower after a loss, nothing else; a second subflow whose number space
has holes by design would stall, which is why subflows count their own bytes (RFC 8684, section
3.3).
"""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.connection_table import of_streams
from mptcp_check.middleboxes.frame import RST, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.seen_bytes import SeenBytes
from mptcp_check.middleboxes.tcp_header import occupied_bytes
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How much it holds."""

    buffer_bytes: int = 262_144
    """What is held of one direction of one connection; what exceeds it is dropped."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.buffer_bytes < 0:
            raise ValueError(f"a buffer cannot hold {self.buffer_bytes} bytes")


DEFAULT = Parameters()

_MAX_HELD_BYTES = 64 * 2**20
"""Of all connections together."""


@dataclass(slots=True, kw_only=True)
class _Stream:
    """One direction of a connection."""

    seen: SeenBytes = field(default_factory=SeenBytes)
    held: list[tuple[int, int, bytes]] = field(default_factory=list[tuple[int, int, bytes]])
    """Start and end of each segment that waits, and its frame, in order."""
    held_bytes: int = 0


class HoleBlocked:
    """Lets the bytes of a stream out in order only."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = of_streams(_Stream)
        self._held_bytes = 0
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were held or, for want of room, dropped."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass or hold one segment, and let go what it makes whole; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        frames: Sequence[bytes] = (frame,)
        if segment is not None and self._watch.covers(segment, direction):
            stream = self._connections.of(segment)[direction]
            if not segment.flags & RST and occupied_bytes(segment):
                frames = tuple(self._in_order(stream, segment))
        return [Emission(frame=each, direction=direction, at_ns=now_ns) for each in frames]

    def _in_order(self, stream: _Stream, segment: TcpSegment) -> Iterator[bytes]:
        frame, seen = segment.packet.frame, stream.seen
        start = seen.position(segment.sequence)
        if seen.next is not None and start > seen.next and not segment.flags & SYN:
            self._acted_count += 1
            self._hold(stream, start, start + occupied_bytes(segment), frame)
            return
        seen.add(segment.sequence, occupied_bytes(segment))
        yield frame
        while stream.held and seen.next is not None and stream.held[0][0] <= seen.next:
            start, end, waiting = stream.held.pop(0)
            self._account(stream, -len(waiting))
            seen.add(start, end - start)
            yield waiting

    def _hold(self, stream: _Stream, start: int, end: int, frame: bytes) -> None:
        entry = (start, end, frame)
        full = stream.held_bytes + len(frame) > self._parameters.buffer_bytes
        if full or self._held_bytes + len(frame) > _MAX_HELD_BYTES:
            return
        if (start, end) not in {each[:2] for each in stream.held}:
            bisect.insort(stream.held, entry)
            self._account(stream, len(frame))

    def _account(self, stream: _Stream, size: int) -> None:
        stream.held_bytes += size
        self._held_bytes += size
