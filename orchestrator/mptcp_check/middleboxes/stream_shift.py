"""The map between a byte stream as it was sent and as a box hands it on, for one direction.

A box that inserts or deletes bytes renumbers all that follows, and translates back what the
receiver acknowledges: acknowledgment numbers and the blocks of SACK and D-SACK (RFC 2018, RFC
2883).  The map is fixed once bytes have passed, so that every copy of them, cut in whatever way,
gets the same numbers and the same bytes.  Linux does this in ``nf_conntrack_seqadj.c``.

Every byte that was sent becomes zero or more bytes: of an edit the first bytes are replaced one
to one, what is left of the new bytes goes with the last replaced one, and what is left of the old
ones becomes nothing.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import SYN, TcpSegment
from mptcp_check.middleboxes.sequence import MASK, unwrapped
from mptcp_check.middleboxes.tcp_header import (
    edited,
    occupied_bytes,
    with_sack,
)

MAX_EDITS = 64
"""How many edits of a stream are remembered; older bytes are not sent again any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Some bytes of a stream that become others."""

    at: int
    """Where the first of them is, in numbers of the sender that do not wrap."""
    removed_bytes: int
    """How many there were; zero to insert before the byte at ``at``."""
    inserted: bytes

    @property
    def end(self) -> int:
        """After the last byte that carries something of the edit."""
        return self.at + max(self.removed_bytes, 1)

    @property
    def growth_bytes(self) -> int:
        """How much longer the stream becomes."""
        return len(self.inserted) - self.removed_bytes

    def shift_at(self, position: int) -> int:
        """Return by how much the edit moves what is at a position."""
        inside = position - self.at
        if inside <= 0:
            return 0
        if inside < self.removed_bytes:
            return min(inside, len(self.inserted)) - inside
        return self.growth_bytes


class StreamShift:
    """The edits of one direction of one connection, and a constant that is added to its numbers.

    Args:
        constant: What is added to every sequence number.
    """

    def __init__(self, constant: int = 0) -> None:
        self._base = constant
        self._edits: list[Edit] = []
        self._end: int | None = None

    def is_new(self, sequence: int) -> bool:
        """Say whether no byte from a sequence number on has passed yet."""
        return self._end is None or unwrapped(sequence, self._end) >= self._end

    def note(self, segment: TcpSegment) -> None:
        """Remember that a segment has passed: its bytes are not edited any more."""
        end = segment.sequence + occupied_bytes(segment)
        near = end if self._end is None else self._end
        self._end = max(near, unwrapped(end & MASK, near))

    def edit(self, sequence: int, removed_bytes: int, inserted: bytes) -> None:
        """Add an edit of bytes that are new; edits come in the order of the stream."""
        at = self._position(sequence)
        self._edits.append(Edit(at=at, removed_bytes=removed_bytes, inserted=inserted))
        if len(self._edits) > MAX_EDITS:
            self._base += self._edits.pop(0).growth_bytes

    def forward(self, sequence: int) -> int:
        """Return the receiver's number of a sender's."""
        return self._forward(self._position(sequence)) & MASK

    def backward(self, number: int) -> int:
        """Return the sender's number up to which all is there when the receiver has it to a number.

        What lies inside of an insertion is rounded down: its byte is not there whole.
        """
        return self._backward(number, whole=True) & MASK

    def block(self, left: int, right: int) -> tuple[int, int] | None:
        """Return a SACK block in the sender's numbers, none if it holds no whole byte of it."""
        start = self._backward(left, whole=False)
        end = self._backward(right, whole=True)
        return (start & MASK, end & MASK) if start < end else None

    def content(self, segment: TcpSegment) -> bytes:
        """Return what a segment's payload becomes."""
        payload = segment.payload
        if not self._edits:
            return payload
        start = self._position(segment.sequence)
        end, at = start + len(payload), start
        pieces: list[bytes] = []
        for edit in self._edits:
            low, high = max(edit.at, start), min(edit.end, end)
            if low >= high:
                continue
            pieces.append(payload[at - start : low - start])
            if edit.removed_bytes == 0:
                pieces.append(edit.inserted + payload[low - start : high - start])
            elif high < edit.end:
                pieces.append(edit.inserted[low - edit.at : high - edit.at])
            else:
                pieces.append(edit.inserted[low - edit.at :])
            at = high
        return b"".join(pieces) + payload[at - start :]

    def _position(self, sequence: int) -> int:
        return sequence if self._end is None else unwrapped(sequence, self._end)

    def _forward(self, position: int) -> int:
        return position + self._base + sum(edit.shift_at(position) for edit in self._edits)

    def _backward(self, number: int, *, whole: bool) -> int:
        """Return where a receiver's number is.

        Args:
            number: Of the receiver.
            whole: Whether to return the last place whose number is not above it, else the first
                whose number is not below it.
        """
        near = 0 if self._end is None else self._forward(self._end)
        at = unwrapped(number, near) - self._base
        for edit in self._edits:
            inside, size = at - edit.at, len(edit.inserted)
            if inside < 0 or (inside == 0 and not whole):
                break
            if edit.removed_bytes == 0:
                if inside <= size:
                    return edit.at if whole else edit.at + 1
            elif whole and inside < size:
                return edit.at + min(inside, edit.removed_bytes - 1)
            elif not whole and inside <= size:
                return edit.at + min(inside, edit.removed_bytes)
            at -= edit.growth_bytes
        return at


def renumbered(
    segment: TcpSegment, own: StreamShift, peer: StreamShift, *, sack: bool = True
) -> bytes:
    """Return the frame with its numbers translated: its own forward, what it acknowledges back.

    The same object comes back if nothing changes.

    Args:
        segment: Any segment of a connection.
        own: The stream that the segment is part of.
        peer: The stream that it acknowledges.
        sack: Whether SACK blocks are translated too.
    """
    sequence = own.forward(segment.sequence)
    before = segment.acknowledgement
    number = peer.backward(before) if acknowledges(segment) else before
    options = with_sack(segment.options, peer.block) if sack else segment.options
    if (sequence, number, options) == (segment.sequence, before, segment.options):
        return segment.packet.frame
    return edited(segment, sequence=sequence, acknowledgment=number, options=options)


def acknowledges(segment: TcpSegment) -> bool:
    """Say whether the acknowledgment number of a segment means something."""
    return bool(segment.flags & 0x10)


def opens(segment: TcpSegment) -> bool:
    """Say whether a segment begins a stream: a SYN or a SYN/ACK."""
    return bool(segment.flags & SYN)
