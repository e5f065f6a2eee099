"""One direction of a connection behind a box that acknowledges for the receiver.

What it has acknowledged it must deliver, so it keeps each segment until the receiver has it, and
sends it again after three acknowledgments that say the same, or when none comes for too long
(RFC 3135, section 3.1.1; RFC 6298, section 5; RFC 5681, section 3.2).
"""

from collections import deque
from collections.abc import Iterator

from mptcp_check.middleboxes.frame import FIN, SYN, TcpSegment
from mptcp_check.middleboxes.sequence import MASK, unwrapped
from mptcp_check.middleboxes.tcp_header import (
    MAX_WINDOW,
    MAX_WINDOW_SHIFT,
    edited,
    window,
    with_sack,
)

MAX_ATTEMPTS = 8
_DUPLICATES = 3
_MAX_WINDOW_BYTES = MAX_WINDOW << MAX_WINDOW_SHIFT


class EarlyAcks:
    """What the box knows of the bytes that go one way, and of the receiver's answers.

    Args:
        buffer_bytes: How much is kept; what exceeds it passes without being acknowledged early.
        timeout_ns: How long the box waits for the receiver before it sends again the first time.
    """

    def __init__(self, *, buffer_bytes: int, timeout_ns: int) -> None:
        self._buffer_bytes = buffer_bytes
        self._timeout_ns = timeout_ns
        self._held: deque[tuple[int, int, bytes]] = deque()
        self._held_bytes = 0
        self._begin: int | None = None
        self._next = 0
        self.delivered = 0
        """Up to where the receiver has acknowledged, in the same numbers as `promised`."""
        self._edge = 0
        self.window_shift = 0
        """The receiver's window scale, if both ends use it (RFC 7323, section 2.2)."""
        self._same_count = 0
        self._recover = 0
        self._attempt_count = 0
        self.advance_count = 0
        """How many acknowledgments of the receiver brought something new."""
        self.promised = 0
        """Up to where the box has acknowledged, in numbers that do not wrap."""

    @property
    def begun(self) -> bool:
        """Whether the SYN was seen: without it the box cannot know the numbers."""
        return self._begin is not None

    @property
    def owes(self) -> bool:
        """Whether bytes were promised that the receiver has not acknowledged."""
        return bool(self._held) and self.delivered < self.promised

    def begin(self, syn: TcpSegment) -> None:
        """Begin at the sender's SYN or SYN/ACK."""
        if self._begin is None:
            begin = syn.sequence + 1
            self._begin = self._next = self.delivered = self.promised = begin

    def window(self) -> int:
        """Return the field for an acknowledgment of what was promised."""
        room = max(0, self._edge - self.promised)
        return min(MAX_WINDOW, room >> self.window_shift)

    def keep(self, segment: TcpSegment) -> bool:
        """Keep a segment's data if they come in order, and say whether they are kept."""
        start = unwrapped(segment.sequence, self._next)
        end = start + segment.payload_bytes
        frame = segment.packet.frame
        full = self._held_bytes + len(frame) > self._buffer_bytes
        if not self.begun or full or not start <= self._next < end:
            return False
        self._held.append((start, end, frame))
        self._held_bytes += len(frame)
        self._next = end
        return True

    def promise(self) -> None:
        """Promise all that is kept."""
        self.promised = max(self.promised, self._next)

    def is_promised(self, segment: TcpSegment) -> bool:
        """Say whether a segment repeats what was promised and the receiver may not have yet."""
        end = unwrapped(segment.sequence, self._next) + segment.payload_bytes
        data = segment.payload_bytes > 0 and not segment.flags & FIN
        return self.begun and data and self.delivered < end <= self.promised

    def answered(self, segment: TcpSegment) -> Iterator[bytes]:
        """Take what the receiver acknowledges, and yield what is to be sent to it again."""
        if not self.begun or segment.flags & SYN:
            return
        number = unwrapped(segment.acknowledgement, self._next)
        if number > self._next + _MAX_WINDOW_BYTES:
            return
        self._edge = max(self._edge, number + (window(segment) << self.window_shift))
        if number > self.delivered:
            yield from self._advanced(number)
        elif number == self.delivered and not segment.payload_bytes and self.owes:
            self._same_count += 1
            if self._same_count == _DUPLICATES and number >= self._recover:
                self._recover = self._next
                yield self._held[0][2]

    def _advanced(self, number: int) -> Iterator[bytes]:
        self.delivered = number
        self.advance_count += 1
        self._next = max(self._next, number)
        self.promised = max(self.promised, number)
        self._same_count = self._attempt_count = 0
        while self._held and self._held[0][1] <= number:
            self._held_bytes -= len(self._held.popleft()[2])
        if self.owes and number < self._recover:  # RFC 6582: the next hole of the same window
            yield self._held[0][2]

    def again(self) -> bytes | None:
        """Return what is to be sent again after a time-out; none when the box gives up."""
        self._attempt_count += 1
        self._same_count = 0
        self._recover = self._next
        if not self.owes:
            return None
        if self._attempt_count > MAX_ATTEMPTS:
            self._held.clear()
            self._held_bytes = 0
            return None
        return self._held[0][2]

    def wait_ns(self) -> int:
        """Return how long to wait for the receiver now: twice as long after each attempt."""
        return self._timeout_ns << self._attempt_count

    def as_promised(self, segment: TcpSegment) -> bytes:
        """Return the receiver's segment, acknowledging what was promised instead of what it has.

        SACK blocks below the promise go, as the sender has no hole to fill there; the window ends
        where the receiver's does.
        """
        number = unwrapped(segment.acknowledgement, self._next)
        if not self.begun or number >= self.promised or segment.flags & SYN:
            return segment.packet.frame

        def above(left: int, right: int) -> tuple[int, int] | None:
            return (left, right) if unwrapped(left, self._next) >= self.promised else None

        return edited(
            segment,
            acknowledgment=self.promised & MASK,
            window=self.window(),
            options=with_sack(segment.options, above),
        )
