"""A constant is added to the sequence numbers of a direction: the initial ones are made anew.

Real boxes: firewalls that do not trust the hosts' initial sequence numbers, such as Cisco ASA
(``set connection random-sequence-number``, on by default) and OpenBSD's pf (``modulate state``).
Some forgot the SACK blocks, which then point to bytes that nobody sent (Honda et al., "Is it
still possible to extend TCP?", IMC 2011, found rewriting on 10 % of the paths to port 80).

Linux 6.18: none; a mapping counts from the subflow's initial number for this reason, and two
subflows work (measured; RFC 8684, section 3.3.1).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.connection_table import ConnectionTable
from mptcp_check.middleboxes.frame import TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.sequence import MASK
from mptcp_check.middleboxes.stream_shift import StreamShift, renumbered
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is added; the scope's direction says to whose numbers."""

    c2s_offset: int = 1_234_567_890
    """Added to the client's sequence numbers, 0 to 2**32 - 1."""
    s2c_offset: int = 3_141_592_653
    """Added to the server's sequence numbers, 0 to 2**32 - 1."""
    sack_translated: bool = True
    """Whether SACK blocks are rewritten too; old firewalls did not."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not (0 <= self.c2s_offset <= MASK and 0 <= self.s2c_offset <= MASK):
            raise ValueError("an offset of sequence numbers is 0 to 2**32 - 1")
        if self.c2s_offset == self.s2c_offset == 0:
            raise ValueError("one of the offsets must not be zero, else nothing is rewritten")
        if self.scope.first_segment > 1:
            raise ValueError("sequence numbers are rewritten from the SYN on: first_segment is 1")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Connection:
    """Whether it is renumbered, which is decided at its SYN."""

    shifts: dict[Direction, StreamShift] | None = None


class SequenceNumbersRewritten:
    """Renumbers every connection whose SYN it sees; what began before passes."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._watch = dataclasses.replace(parameters.scope, direction=Direction.BOTH).watch()
        wanted = parameters.scope.direction
        offsets = {Direction.C2S: parameters.c2s_offset, Direction.S2C: parameters.s2c_offset}
        self._offsets = {
            way: offset if wanted in {way, Direction.BOTH} else 0 for way, offset in offsets.items()
        }
        self._sack = parameters.sack_translated
        self._connections = ConnectionTable(_Connection)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were renumbered."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Renumber one segment; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        after = frame
        if segment is not None and self._watch.covers(segment, direction):
            after = self._rewritten(segment, direction)
            self._acted_count += after is not frame
        return (Emission(frame=after, direction=direction, at_ns=now_ns),)

    def _rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:
        connection = self._connections.of(segment)
        if segment.is_syn and connection.shifts is None:
            connection.shifts = {way: StreamShift(self._offsets[way]) for way in self._offsets}
        if connection.shifts is None:
            return segment.packet.frame
        own, peer = connection.shifts[direction], connection.shifts[opposite(direction)]
        return renumbered(segment, own, peer, sack=self._sack)
