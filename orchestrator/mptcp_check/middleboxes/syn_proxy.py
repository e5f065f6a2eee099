"""A firewall that answers SYNs itself, and joins both ends by renumbering once it has been.

As netfilter's SYNPROXY does: its SYN/ACK has its own number and options and window zero, so that
no data comes before the server is there; then the client's own SYN is made again without what the
box does not know (RFC 4987, section 3.6, "SYN proxies").
"""

from collections.abc import Iterator

from mptcp_check.middleboxes.frame import ACK, RST, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.sequence import MASK
from mptcp_check.middleboxes.stream_shift import StreamShift, renumbered
from mptcp_check.middleboxes.tcp_end import Said
from mptcp_check.middleboxes.tcp_header import (
    MAX_WINDOW,
    MAXIMUM_SEGMENT_SIZE,
    SACK_PERMITTED,
    WINDOW_SCALE,
    edited,
    option_values,
    window,
    window_shift,
)

MAX_ATTEMPTS = 5


class SynProxy:
    """One connection, from its SYN on.

    Args:
        isn: The initial sequence number that the box shows to who opens.
        mss_bytes: What it offers at most.
        shift: The window scale that it offers.
        timeout_ns: How long it waits for an answer the first time.
    """

    def __init__(self, *, isn: int, mss_bytes: int, shift: int, timeout_ns: int) -> None:
        self._isn = isn
        self._mss_bytes = mss_bytes
        self._shift = shift
        self._timeout_ns = timeout_ns
        self._syn: TcpSegment | None = None
        self._connecting = False
        self._opener = StreamShift()
        self._server: StreamShift | None = None
        self._server_shift = self._client_shift = 0
        self._server_scales = False
        self._waits: Said | None = None
        self._attempt_count = 0
        self._due_ns: int | None = None

    def on_segment(
        self, segment: TcpSegment, now_ns: int, *, from_opener: bool
    ) -> Iterator[tuple[Said | bytes, bool]]:
        """Take a segment; yield what is said or passed on, and whether to who opened."""
        if from_opener:
            yield from self._from_opener(segment, now_ns)
        elif self._connecting:
            yield from self._from_server(segment)

    def next_due_ns(self) -> int | None:
        """Return when something is to be sent again."""
        return self._due_ns

    def on_time(self, now_ns: int) -> Iterator[tuple[Said | bytes, bool]]:
        """Send again what was not answered."""
        self._due_ns = None
        self._attempt_count += 1
        if self._waits is not None and self._attempt_count <= MAX_ATTEMPTS:
            self._wait(self._waits, now_ns)
            yield self._waits, not self._connecting

    def _from_opener(self, segment: TcpSegment, now_ns: int) -> Iterator[tuple[Said | bytes, bool]]:
        if self._syn is None or segment.is_syn:
            if segment.is_syn and not self._connecting:
                self._syn = segment
                self._wait(self._answer(segment), now_ns)
                yield self._answer(segment), True
        elif self._server is not None:
            yield self._renumbered(segment, self._opener, self._server), False
        elif segment.flags & RST:
            self._waits, self._due_ns = None, None
        elif not self._connecting and segment.acknowledgement == (self._isn + 1) & MASK:
            self._connecting, self._attempt_count = True, 0
            syn = self._made_again(self._syn)
            self._wait(syn, now_ns)
            yield syn, False

    def _from_server(self, segment: TcpSegment) -> Iterator[tuple[Said | bytes, bool]]:
        syn = self._syn
        if syn is None:
            return
        if segment.flags & RST and self._server is None:
            self._waits, self._due_ns = None, None
            yield self._says(RST | ACK, self._isn + 1, syn.sequence + 1, 0), True
        elif segment.is_syn_ack:
            if segment.acknowledgement != (syn.sequence + 1) & MASK:
                return
            if self._server is None:
                self._join(segment)
                # Its window lets the client begin.
                room = min(MAX_WINDOW, window(segment) >> (self._shift if self._scaled else 0))
                yield self._says(ACK, self._isn + 1, syn.sequence + 1, room), True
            room = min(MAX_WINDOW, window(syn) >> self._server_reads)
            yield self._says(ACK, syn.sequence + 1, segment.sequence + 1, room), False
        elif self._server is not None:
            yield self._renumbered(segment, self._server, self._opener), True

    def _join(self, syn_ack: TcpSegment) -> None:
        self._server = StreamShift(self._isn - syn_ack.sequence)
        shift = window_shift(syn_ack.options)
        self._server_scales = shift is not None
        self._server_shift = shift or 0
        self._waits, self._due_ns = None, None

    @property
    def _scaled(self) -> bool:
        """Whether who opened offers a window scale, so that the box did too."""
        return self._syn is not None and window_shift(self._syn.options) is not None

    @property
    def _server_reads(self) -> int:
        """Return the shift with which the server reads the client's windows."""
        return self._client_shift if self._server_scales else 0

    def _renumbered(self, segment: TcpSegment, own: StreamShift, peer: StreamShift) -> bytes:
        """Return a segment of the joined connection with numbers and window for its receiver."""
        frame = renumbered(segment, own, peer)
        client_writes = self._client_shift if self._scaled else 0
        box_writes = self._shift if self._scaled else 0
        written, read = (
            (client_writes, self._server_reads)
            if own is self._opener
            else (self._server_shift if self._scaled else 0, box_writes)
        )
        field = min(MAX_WINDOW, (window(segment) << written) >> read)
        moved = tcp_segment(frame)
        if moved is None or field == window(segment):
            return frame
        return edited(moved, window=field)

    def _answer(self, syn: TcpSegment) -> Said:
        """Return the SYN/ACK of the box."""
        self._client_shift = window_shift(syn.options) or 0
        options = self._options(syn, self._mss_bytes, self._shift)
        return self._says(SYN | ACK, self._isn, syn.sequence + 1, 0, options)

    def _made_again(self, syn: TcpSegment) -> Said:
        """Return the client's SYN with the options that the box knows."""
        offered = int.from_bytes(option_values(syn.options).get(MAXIMUM_SEGMENT_SIZE, b""), "big")
        mss_bytes = min(self._mss_bytes, offered or self._mss_bytes)
        options = self._options(syn, mss_bytes, self._client_shift)
        return self._says(SYN, syn.sequence, 0, window(syn), options)

    @staticmethod
    def _options(syn: TcpSegment, mss_bytes: int, shift: int) -> bytes:
        """Return options like a SYN's, as far as the box knows them."""
        values = option_values(syn.options)
        options = bytes((MAXIMUM_SEGMENT_SIZE, 4)) + mss_bytes.to_bytes(2, "big")
        if SACK_PERMITTED in values:
            options += bytes((1, 1, SACK_PERMITTED, 2))
        if WINDOW_SCALE in values:
            options += bytes((1, WINDOW_SCALE, 3, shift))
        return options

    def _wait(self, said: Said, now_ns: int) -> None:
        self._waits = said
        self._due_ns = now_ns + (self._timeout_ns << self._attempt_count)

    @staticmethod
    def _says(
        flags: int, sequence: int, acknowledgment: int, room: int, options: bytes = b""
    ) -> Said:
        return Said(
            sequence=sequence,
            acknowledgment=acknowledgment,
            flags=flags,
            window=room,
            options=options,
        )
