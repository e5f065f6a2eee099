"""One end of a TCP connection as a box speaks it that ends connections (RFC 9293).

Enough of TCP for a proxy on a path that loses, reorders and duplicates: handshake, windows, data
both ways, retransmission after a time-out or three duplicate acknowledgments (RFC 6298, RFC 6582),
window probes, closing.  Its options are its own: maximum segment size and window scale, no
timestamps, no SACK, nothing it does not know.  It has no congestion control: it never has more
than a fixed number of bytes in flight.

What was lost is sent again as it was cut the first time, as Linux does, or cut anew, as TCP may:
it numbers bytes, not segments.  `connection_proxied` says what Linux makes of the latter.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.frame import ACK, FIN, PSH, RST, SYN, TcpSegment
from mptcp_check.middleboxes.sequence import unwrapped
from mptcp_check.middleboxes.tcp_header import (
    MAX_WINDOW,
    MAXIMUM_SEGMENT_SIZE,
    WINDOW_SCALE,
    option_values,
    window,
    window_shift,
)

MAX_ATTEMPTS = 8
_DUPLICATES = 3
_DEFAULT_MSS_BYTES = 536
"""Of a peer that says nothing (RFC 9293, section 3.7.1)."""
_MAX_FLIGHT_BYTES = 65_536
_MAX_ISLANDS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A segment that an end wants to send; see `crafting.crafted`."""

    sequence: int
    acknowledgment: int
    flags: int
    window: int
    options: bytes = b""
    payload: bytes = b""


class TcpEnd:
    """What an end knows; its owner gives it segments and the time, and fetches what it says.

    Args:
        isn: Its initial sequence number.
        mss_bytes: What it offers, and what it sends at most.
        buffer_bytes: How much it keeps for its owner, and of its owner, each.
        shift: The window scale that it offers.
        timeout_ns: How long it waits for an acknowledgment the first time.
        cuts_anew: Whether it fills the segments that it sends again, wherever the first ones ended.
    """

    def __init__(
        self,
        *,
        isn: int,
        mss_bytes: int,
        buffer_bytes: int,
        shift: int,
        timeout_ns: int,
        cuts_anew: bool = False,
    ) -> None:
        self.inbox = bytearray()
        """What has arrived in order; the owner takes from its front."""
        self.closed_by_peer = False
        """Whether the peer will send nothing after `inbox`."""
        self.reset = False
        """Whether the connection is gone, by the peer's RST or because it does not answer."""
        self.opened = False
        """Whether it has sent a SYN."""
        self.established = False
        self.due_ns: int | None = None
        """When `on_time` is to be called."""
        self._mss_bytes = mss_bytes
        self._buffer_bytes = buffer_bytes
        self._offered_shift = shift
        self._own_shift = self._peer_shift = 0
        self._timeout_ns = timeout_ns
        self._cuts_anew = cuts_anew
        self._cuts: deque[int] = deque()  # where the segments end that are not acknowledged
        self._base = isn  # of the byte that _outbox begins with; the SYN is before it
        self._una = self._next = isn
        self._outbox = bytearray()
        self._closing = False
        self._edge = isn
        self._received: int | None = None
        self._islands: dict[int, tuple[bytes, bool]] = {}
        self._advertised = 0
        self._same_count = self._attempt_count = 0
        self._recover = isn
        self._says: list[Said] = []
        self._scales = True

    def listen(self, syn: TcpSegment, now_ns: int) -> None:
        """Answer a SYN."""
        self._learn(syn)
        self._open(now_ns)

    def connect(self, now_ns: int) -> None:
        """Send a SYN."""
        self._open(now_ns)

    def room(self) -> int:
        """Return how much `write` takes."""
        return self._buffer_bytes - len(self._outbox)

    def write(self, data: bytes, now_ns: int) -> None:
        """Send data, as soon as the peer's window allows."""
        self._outbox += data
        self._push(now_ns)

    def close(self, now_ns: int) -> None:
        """Send a FIN after all data."""
        self._closing = True
        self._push(now_ns)

    def abort(self) -> None:
        """Send a RST."""
        if not self.reset and self.opened:
            self._say(RST | ACK if self._received is not None else RST)
        self.reset, self.due_ns = True, None

    def read(self, most: int) -> bytes:
        """Take bytes from `inbox`, and tell the peer if that made room in a closed window."""
        data = bytes(self.inbox[:most])
        del self.inbox[:most]
        if data and self._advertised < self._mss_bytes <= self._free():
            self._say(ACK)
        return data

    def said(self) -> Sequence[Said]:
        """Fetch what it wants to send."""
        says, self._says = self._says, []
        return says

    def on_segment(self, segment: TcpSegment, now_ns: int) -> None:
        """Take a segment from the peer."""
        if self.reset:
            return
        if segment.flags & RST:
            self._on_reset(segment)
        elif segment.flags & SYN:
            self._on_syn(segment, now_ns)
        elif self._received is not None and segment.flags & ACK:
            self._on_ack(segment, now_ns)
            self._on_data(segment)
            self._push(now_ns)

    def on_time(self, now_ns: int) -> None:
        """Send again what was not acknowledged in time, or probe a closed window."""
        self.due_ns = None
        self._attempt_count += 1
        self._same_count = 0
        if self._attempt_count > MAX_ATTEMPTS:
            self.abort()
            return
        self._recover = self._next
        if self._una == self._next:
            self._next += 1
            self._cuts.append(self._next)
        self._again()
        self._arm(now_ns)

    # -- the peer's numbers --------------------------------------------------------------------

    def _learn(self, syn: TcpSegment) -> None:
        """Learn from the peer's SYN."""
        self._received = syn.sequence + 1
        values = option_values(syn.options)
        offered = int.from_bytes(values.get(MAXIMUM_SEGMENT_SIZE, b""), "big")
        self._mss_bytes = max(1, min(self._mss_bytes, offered or _DEFAULT_MSS_BYTES))
        shift = window_shift(syn.options)
        self._scales = shift is not None
        if shift is not None:
            self._peer_shift, self._own_shift = shift, self._offered_shift
        self._edge = self._una + window(syn)

    def _on_reset(self, segment: TcpSegment) -> None:
        if self._received is None:
            if segment.flags & ACK and segment.acknowledgement == self._next & 0xFFFF_FFFF:
                self.reset, self.due_ns = True, None
            return
        at = unwrapped(segment.sequence, self._received)
        if self._received <= at <= self._received + self._free():
            self.reset, self.due_ns = True, None

    def _on_syn(self, segment: TcpSegment, now_ns: int) -> None:
        if self._received is not None:  # a copy: what answered it was lost
            self._again() if not self.established else self._say(ACK)
            return
        if not segment.flags & ACK or unwrapped(segment.acknowledgement, self._next) != self._next:
            return
        self._learn(segment)
        self._una = self._next
        self._edge = self._una + window(segment)
        self._opened()
        self._say(ACK)
        self._push(now_ns)

    def _on_ack(self, segment: TcpSegment, now_ns: int) -> None:
        number = unwrapped(segment.acknowledgement, self._una)
        if not self._una <= number <= self._next:
            return
        edge = number + (window(segment) << self._peer_shift)
        same = number == self._una and edge == self._edge and not segment.payload_bytes
        self._edge = edge
        if not self.established:
            if number == self._una:
                return
            self._opened()
        if number > self._una:
            acknowledged = max(0, min(number, self._end()) - self._base)
            del self._outbox[:acknowledged]
            self._base += acknowledged
            self._una = number
            while self._cuts and self._cuts[0] <= number:
                self._cuts.popleft()
            self._same_count = self._attempt_count = 0
            self.due_ns = None
            if number < self._recover:
                self._again()
            self._arm(now_ns)
        elif same and self._una < self._next:
            self._same_count += 1
            if self._same_count == _DUPLICATES and self._una >= self._recover:
                self._recover = self._next
                self._again()

    def _on_data(self, segment: TcpSegment) -> None:
        received = self._received
        size = segment.payload_bytes + bool(segment.flags & FIN)
        if received is None:
            return
        start = unwrapped(segment.sequence, received)
        if size == 0:
            if start < received:  # a keep-alive (RFC 9293, section 3.8.4)
                self._say(ACK)
            return
        held = sum(len(payload) for payload, _ in self._islands.values())
        room = held + size <= self._buffer_bytes and len(self._islands) < _MAX_ISLANDS
        fits = room or start <= received  # what is awaited is always taken
        if fits and start <= received + self._free() and not self.closed_by_peer:
            before = self._islands.get(start, (b"", False))
            if size > len(before[0]) + before[1]:
                self._islands[start] = segment.payload, bool(segment.flags & FIN)
        for at in sorted(self._islands):
            if at > received or self.closed_by_peer:
                break
            payload, last = self._islands.pop(at)
            new = payload[received - at :][: self._free()]
            self.inbox += new
            received += len(new)
            if last and at + len(payload) == received:
                received += 1
                self.closed_by_peer = True
        self._received = received
        self._say(ACK)

    # -- its own ------------------------------------------------------------------------------

    def _open(self, now_ns: int) -> None:
        self.opened = True
        self._next = self._una + 1
        self._base = self._recover = self._next
        self._again()
        self._arm(now_ns)

    def _opened(self) -> None:
        self.established = True
        self._attempt_count = 0
        self.due_ns = None

    def _end(self) -> int:
        """Return after the last byte that it has to send; a FIN comes there."""
        return self._base + len(self._outbox)

    def _free(self) -> int:
        return max(0, self._buffer_bytes - len(self.inbox))

    def _push(self, now_ns: int) -> None:
        """Send what the peer's window and the bytes in flight allow."""
        if not self.established or self.reset:
            return
        limit = min(self._edge, self._una + _MAX_FLIGHT_BYTES)
        while self._next < min(limit, self._end()):
            size = min(self._mss_bytes, limit - self._next, self._end() - self._next)
            self._send(self._next, size)
            self._next += size
            self._cuts.append(self._next)
        if self._closing and self._next == self._end():
            self._send(self._next, 0)
            self._next += 1
        self._arm(now_ns)

    def _send(self, start: int, size: int) -> None:
        """Send bytes of the outbox, with the FIN if they reach it."""
        at = start - self._base
        payload = bytes(self._outbox[at : at + size])
        last = self._closing and start + len(payload) == self._end()
        push = PSH if payload and start + size == self._end() else 0
        self._say(ACK | push | (FIN if last else 0), start, payload=payload)

    def _again(self) -> None:
        """Send the first segment that is not acknowledged."""
        if self._una < self._base:
            self._say(SYN if self._received is None else SYN | ACK, self._una, syn=True)
        else:
            sent = min(self._next, self._end())
            end = sent if self._cuts_anew or not self._cuts else min(sent, self._cuts[0])
            self._send(self._una, max(0, min(self._mss_bytes, end - self._una)))

    def _arm(self, now_ns: int) -> None:
        """Wait for an acknowledgment, if one is to come or a window is closed."""
        waits = self._una < self._next or self._next < self._end()
        if not waits:
            self.due_ns = None
        elif self.due_ns is None:
            self.due_ns = now_ns + (self._timeout_ns << self._attempt_count)

    def _say(
        self, flags: int, sequence: int | None = None, *, payload: bytes = b"", syn: bool = False
    ) -> None:
        if syn:
            self._advertised = min(MAX_WINDOW, self._free())
        else:
            self._advertised = min(MAX_WINDOW, self._free() >> self._own_shift) << self._own_shift
        self._says.append(
            Said(
                sequence=self._next if sequence is None else sequence,
                acknowledgment=self._received or 0,
                flags=flags,
                window=self._advertised if syn else self._advertised >> self._own_shift,
                options=self._syn_options() if syn else b"",
                payload=payload,
            )
        )

    def _syn_options(self) -> bytes:
        mss = bytes((MAXIMUM_SEGMENT_SIZE, 4)) + self._mss_bytes.to_bytes(2, "big")
        return mss + (bytes((1, WINDOW_SCALE, 3, self._offered_shift)) if self._scales else b"")
