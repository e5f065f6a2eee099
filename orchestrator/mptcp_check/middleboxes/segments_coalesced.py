"""Consecutive segments become one, which has room for the MPTCP options of one of them only.

Real boxes: proxies and accelerators that collect small segments, receive offload in network cards
and hypervisors that merges what differs in options.  Two full segments do not fit a packet, so
this box also offers both ends a smaller maximum segment size in their SYNs, as an accelerator
with room to gain does; ``mss_bytes=0`` leaves that.

Linux 6.18: with the first one's option kept and one subflow the receiver falls back to TCP at the
first bytes without a mapping (``MPTcpExtDSSCorruptionFallback``); if more than a mapping is in
flight then, what is sent again at the data level is delivered twice.  When it begins late, with
two subflows, that one is reset and the connection goes on (``MPTcpExtDSSCorruptionReset``); now
and then some bytes are wrong, with DSS checksums too (measured; RFC 8684, section 3.3.1).
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.connection_table import of_streams
from mptcp_check.middleboxes.frame import ACK, FIN, PSH, RST, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.sequence import MASK
from mptcp_check.middleboxes.tcp_header import clamped_mss, edited, window
from mptcp_check.middleboxes.timers import Timers
from mptcp_check.model import Direction

_DIRECTION_KEYS = {Direction.C2S: b"c", Direction.S2C: b"s"}
_MAX_PAYLOAD_BYTES = 60_000
_URGENT = 0x20


class OptionOf(enum.StrEnum):
    """Whose options the merged segment has."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is merged, and how long a segment waits for the next."""

    hold_ns: int = 5_000_000
    """How long a segment is held at most."""
    merge_count: int = 2
    """How many segments become one, if so many come in time."""
    max_payload_bytes: int = 1400
    """A merged payload is not longer."""
    mss_bytes: int = 700
    """What SYNs offer at most after the box; zero leaves them alone."""
    options: OptionOf = OptionOf.FIRST
    """Whose options the merged segment has."""
    skip_count: int = 0
    """How many segments with data pass before the first is held, per connection and direction."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.hold_ns < 1 or self.merge_count < 2:  # noqa: PLR2004 - a merge needs two
            raise ValueError("hold_ns is 1 or more, merge_count 2 or more")
        if not 2 <= self.max_payload_bytes <= _MAX_PAYLOAD_BYTES:  # noqa: PLR2004 - the same
            raise ValueError(f"max_payload_bytes is 2 to {_MAX_PAYLOAD_BYTES}")
        if not 0 <= self.mss_bytes <= 0xFFFF or self.skip_count < 0:  # noqa: PLR2004 - 16 bits
            raise ValueError("mss_bytes is 0 to 65535, skip_count 0 or more")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Stream:
    """One direction of a connection: what is held of it, in order."""

    held: list[TcpSegment] = field(default_factory=list[TcpSegment])
    seen_count: int = 0


class SegmentsCoalesced:
    """Holds a segment with data until the next one in order comes, and sends both as one."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = of_streams(_Stream)
        self._timers = Timers()
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many merged segments were made."""
        return self._acted_count

    def next_due_ns(self) -> int | None:
        """Return when the segment that was held longest leaves; see `Timed`."""
        return self._timers.next_due_ns()

    def on_time(self, now_ns: int) -> Sequence[Emission]:
        """Send what was held long enough; see `Timed`."""
        emissions: list[Emission] = []
        for key in self._timers.due(now_ns):
            streams = self._connections.get(key[:-1])
            direction = Direction.C2S if key[-1:] == b"c" else Direction.S2C
            if streams is not None:
                emissions += self._released(streams[direction], direction, now_ns)
        return emissions

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Hold, merge or pass one segment; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        if segment is None or not self._watch.covers(segment, direction):
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        stream = self._connections.of(segment)[direction]
        key = segment.connection + _DIRECTION_KEYS[direction]
        emissions: list[Emission] = []
        if stream.held and not self._continues(stream.held, segment):
            emissions += self._released(stream, direction, now_ns)
        if self._holds(stream, segment):
            stream.held.append(segment)
            if len(stream.held) == 1:
                self._timers.set(key, now_ns + self._parameters.hold_ns)
            elif len(stream.held) == self._parameters.merge_count:
                emissions += self._released(stream, direction, now_ns)
        else:
            after = frame
            if segment.flags & SYN and self._parameters.mss_bytes:
                after = clamped_mss(segment, self._parameters.mss_bytes)
            emissions.append(Emission(frame=after, direction=direction, at_ns=now_ns))
        if not stream.held:
            self._timers.cancel(key)
        return emissions

    def _holds(self, stream: _Stream, segment: TcpSegment) -> bool:
        """Say whether a segment waits for the next: data, and nothing but data."""
        if not segment.payload_bytes or segment.flags & (SYN | FIN | RST | _URGENT):
            return False
        stream.seen_count += 1
        return (
            stream.seen_count > self._parameters.skip_count
            and segment.payload_bytes < self._parameters.max_payload_bytes
        )

    def _continues(self, held: Sequence[TcpSegment], segment: TcpSegment) -> bool:
        """Say whether a segment follows those that are held, and fits."""
        last = held[-1]
        total = sum(each.payload_bytes for each in held) + segment.payload_bytes
        return (
            segment.payload_bytes > 0
            and not segment.flags & (SYN | FIN | RST | _URGENT)
            and segment.sequence == (last.sequence + last.payload_bytes) & MASK
            and total <= self._parameters.max_payload_bytes
        )

    def _released(self, stream: _Stream, direction: Direction, now_ns: int) -> list[Emission]:
        """Return what was held as one segment."""
        held, stream.held = stream.held, []
        frame = held[0].packet.frame
        if len(held) > 1:
            self._acted_count += 1
            frame = _merged(held, self._parameters.options)
        return [Emission(frame=frame, direction=direction, at_ns=now_ns)]


def _merged(held: Sequence[TcpSegment], options: OptionOf) -> bytes:
    """Return one segment with the bytes of several: acknowledgment and window are the newest."""
    first, last = held[0], held[-1]
    pushed = any(each.flags & PSH for each in held)
    return edited(
        first,
        acknowledgment=last.acknowledgement,
        window=window(last),
        flags=last.flags | (PSH if pushed else 0) | ACK,
        options=(first if options is OptionOf.FIRST else last).options,
        payload=b"".join(each.payload for each in held),
    )
