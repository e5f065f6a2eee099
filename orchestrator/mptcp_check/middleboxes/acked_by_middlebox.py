"""The box acknowledges data for the receiver, before that has it.

Real boxes: performance enhancing proxies on satellite and mobile links (RFC 3135, section 3.1.1,
"TCP ACK handling"; "snoop" agents), which shorten the sender's round trip and then deliver by
themselves: they keep what they promised and send it again if it is lost.  The receiver's own
acknowledgments go on to the sender, with the number that was promised.

Linux 6.18: none; the acknowledgments of the box carry no Data ACK, and without that the sender
frees nothing and could send it over another subflow (measured; RFC 8684, section 3.3.2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.connection_table import ConnectionTable
from mptcp_check.middleboxes.crafting import Road, crafted
from mptcp_check.middleboxes.early_acks import EarlyAcks
from mptcp_check.middleboxes.frame import ACK, FIN, RST, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.sequence import MASK, unwrapped
from mptcp_check.middleboxes.tcp_header import (
    TIMESTAMPS,
    occupied_bytes,
    option_values,
    window_shift,
)
from mptcp_check.middleboxes.timers import Timers
from mptcp_check.model import Direction

_DIRECTION_KEYS = {Direction.C2S: b"c", Direction.S2C: b"s"}
_DIRECTIONS = {key: way for way, key in _DIRECTION_KEYS.items()}
_TIMESTAMPS_HEAD = bytes((1, 1, TIMESTAMPS, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How much it promises; the scope's direction is that of the data."""

    buffer_bytes: int = 1_048_576
    """What is kept of one direction of a connection; what exceeds it is not promised."""
    timeout_ns: int = 250_000_000
    """After which the box sends again what the receiver does not acknowledge; doubles each time."""
    engage_count: int = 3
    """After how many acknowledgments of data by the receiver the first promise comes.  The ends of
    a young connection fall back when they see acknowledgments without MPTCP options only."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if min(self.buffer_bytes, self.timeout_ns, self.engage_count) < 1:
            raise ValueError("buffer_bytes, timeout_ns and engage_count are 1 or more")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Stream:
    """The bytes of one direction, and their sender's newest numbers."""

    acks: EarlyAcks
    end: int | None = None
    """After all that the sender has sent."""
    timestamp: bytes = b""
    """The sender's newest TSval, empty without timestamps."""


@dataclass(slots=True, kw_only=True)
class _Connection:
    """Both directions."""

    streams: dict[Direction, _Stream] = field(default_factory=dict[Direction, _Stream])
    shifts: dict[Direction, int | None] = field(default_factory=dict[Direction, int | None])
    """The window scale in the SYN that went a way, none if it had none."""

    def began(self, syn: TcpSegment, direction: Direction) -> None:
        """Learn from a SYN or a SYN/ACK."""
        self.streams[direction].acks.begin(syn)
        self.shifts[direction] = window_shift(syn.options)
        both = None not in self.shifts.values()
        for way, shift in self.shifts.items():
            self.streams[opposite(way)].acks.window_shift = (shift or 0) if both else 0


class AckedByMiddlebox:
    """Promises data in order, from when the connection has got past its start."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._connections = ConnectionTable(self._new)
        self._timers = Timers()
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many acknowledgments the box made or raised, and segments it sent again."""
        return self._acted_count

    def next_due_ns(self) -> int | None:
        """Return when something is to be sent again; see `Timed`."""
        return self._timers.next_due_ns()

    def on_time(self, now_ns: int) -> Sequence[Emission]:
        """Send again what the receiver does not acknowledge; see `Timed`."""
        emissions: list[Emission] = []
        for key in self._timers.due(now_ns):
            connection, direction = self._connections.get(key[:-1]), _DIRECTIONS[key[-1:]]
            if connection is None:
                continue
            acks = connection.streams[direction].acks
            frame = acks.again()
            if frame is not None:
                self._acted_count += 1
                emissions.append(Emission(frame=frame, direction=direction, at_ns=now_ns))
                self._timers.set(key, now_ns + acks.wait_ns())
        return emissions

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Promise, deliver or raise one segment; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        if segment is None:
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        covered = self._watch.covers(segment, direction)
        connection = self._connections.of(segment)
        if segment.flags & RST:
            self._connections.forget(segment.connection)
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        before = {way: stream.acks.delivered for way, stream in connection.streams.items()}
        emissions = list(self._crossing(connection, segment, direction, now_ns, covered=covered))
        for way, stream in connection.streams.items():
            key = segment.connection + _DIRECTION_KEYS[way]
            if not stream.acks.owes:
                self._timers.cancel(key)
            elif stream.acks.delivered != before[way] or not self._timers.is_set(key):
                self._timers.set(key, now_ns + stream.acks.wait_ns())
        return emissions

    def _new(self) -> _Connection:
        wanted = self._parameters
        return _Connection(
            streams={
                way: _Stream(
                    acks=EarlyAcks(buffer_bytes=wanted.buffer_bytes, timeout_ns=wanted.timeout_ns)
                )
                for way in _DIRECTION_KEYS
            }
        )

    def _crossing(
        self,
        connection: _Connection,
        segment: TcpSegment,
        direction: Direction,
        now_ns: int,
        *,
        covered: bool,
    ) -> Iterator[Emission]:
        own, peer = connection.streams[direction], connection.streams[opposite(direction)]
        self._follow(own, segment)
        if segment.flags & SYN:
            connection.began(segment, direction)
        frame = segment.packet.frame
        if segment.flags & ACK:
            for again in peer.acks.answered(segment):
                self._acted_count += 1
                yield Emission(frame=again, direction=opposite(direction), at_ns=now_ns)
            frame = peer.acks.as_promised(segment)
            self._acted_count += frame is not segment.packet.frame
        promised = own.acks.is_promised(segment)
        if not promised:
            yield Emission(frame=frame, direction=direction, at_ns=now_ns)
        if covered and (promised or self._promises(own, segment)):
            self._acted_count += 1
            answer = self._acknowledgment(own, peer, segment)
            yield Emission(frame=answer, direction=opposite(direction), at_ns=now_ns)

    @staticmethod
    def _follow(own: _Stream, segment: TcpSegment) -> None:
        """Learn what a segment says about its sender."""
        end = segment.sequence + occupied_bytes(segment)
        near = end if own.end is None else own.end
        own.end = max(near, unwrapped(end & MASK, near))
        values = option_values(segment.options)
        own.timestamp = values.get(TIMESTAMPS, b"")[:4]

    def _promises(self, own: _Stream, segment: TcpSegment) -> bool:
        """Keep a segment with data, and say whether the box acknowledges it now."""
        if not segment.payload_bytes or segment.flags & (SYN | FIN):
            return False
        if not own.acks.keep(segment) or own.acks.advance_count < self._parameters.engage_count:
            return False
        own.acks.promise()
        return True

    @staticmethod
    def _acknowledgment(own: _Stream, peer: _Stream, segment: TcpSegment) -> bytes:
        """Return an acknowledgment as the receiver would send it."""
        echoed = option_values(segment.options).get(TIMESTAMPS, b"")[:4]
        stamps = _TIMESTAMPS_HEAD + peer.timestamp + echoed if echoed and peer.timestamp else b""
        sequence = segment.acknowledgement if peer.end is None else peer.end
        return crafted(
            Road.along(segment).back(),
            sequence=sequence,
            acknowledgment=own.acks.promised,
            flags=ACK,
            window=own.acks.window(),
            options=stamps,
        )
