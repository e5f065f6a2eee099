"""Two ends of one TCP connection for tests of boxes, built by code that shares nothing with them.

Each end cuts its data into segments of random sizes, again in other ways when it sends again, and
tells in acknowledgments and SACK blocks what it has.  Each checks what it is told: that nobody
acknowledges, or names in a SACK block, a byte that it has not sent.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mptcp_check.middleboxes.behaviour import Behaviour, Emission
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Direction
from segments import ACK, CLIENT, FIN, RST, SERVER, SYN, Segment
from wire_frames import ethernet, parts, problems

MS = 1_000_000
_RETRY_NS = 40 * MS
_TICK_NS = MS
_FLIGHT = 8_000
_CIRCLE = 2**32

ENDS = {Direction.C2S: (CLIENT, SERVER), Direction.S2C: (SERVER, CLIENT)}


@dataclass(kw_only=True)
class End:
    """One end; sequence numbers count from its SYN, which is byte -1 of its data."""

    way: Direction
    isn: int
    data: bytes
    rng: random.Random
    sack: bool = True
    window: int = 65535
    options: bytes = b""
    """Of every segment but the SYN."""
    peer_isn: int | None = None
    sent: int = -1
    una: int = -1
    sacked: set[int] = field(default_factory=set)
    got: dict[int, int] = field(default_factory=dict)
    received: int = 0
    closed: bool = False
    syn_known: bool = False
    retry_ns: int = 0
    reset: bool = False
    duplicate: tuple[int, int] | None = None
    latest: tuple[int, int] | None = None

    @property
    def stream(self) -> bytes:
        return bytes(self.got[at] for at in range(self.received) if at in self.got)

    @property
    def done(self) -> bool:
        return self.una == len(self.data) + 1

    def frame(self, at: int, payload: bytes = b"", flags: int = ACK, options: bytes = b"") -> bytes:
        source, destination = ENDS[self.way]
        ack = 0
        if flags & ACK and self.peer_isn is not None:
            ack = self.peer_isn + 1 + self.received + self.closed
        segment = Segment(
            source=source,
            destination=destination,
            seq=(self.isn + 1 + at) % _CIRCLE,
            ack=ack % _CIRCLE,
            flags=flags,
            window=self.window,
            options=options,
            payload=payload,
        )
        return ethernet(4, segment.packet(), from_client=self.way is Direction.C2S)

    def opening(self) -> bytes:
        flags = SYN if self.way is Direction.C2S else SYN | ACK
        options = bytes.fromhex("020405b4 0101 0402" if self.sack else "020405b4")
        return self.frame(-1, flags=flags, options=options)

    def sends(self, now_ns: int) -> Iterator[bytes]:
        """Yield what it wants to send now."""
        if self.reset:
            return
        if self.una < 0:
            if self.way is Direction.C2S or self.syn_known:
                self.sent = max(self.sent, 0)
                if now_ns >= self.retry_ns:
                    self.retry_ns = now_ns + _RETRY_NS
                    yield self.opening()
            return
        if now_ns >= self.retry_ns and self.una < self.sent:
            self.retry_ns = now_ns + _RETRY_NS
            yield from self._sends_again()
        while self.sent <= len(self.data) and self.sent - self.una < _FLIGHT:
            size = min(self.rng.choice((1, 50, 700, 1000)), len(self.data) - self.sent)
            if self.una == self.sent:
                self.retry_ns = now_ns + _RETRY_NS
            yield self._piece(self.sent, size)
            self.sent += size
            self.sent += self.sent == len(self.data)  # with its FIN

    def _sends_again(self) -> Iterator[bytes]:
        at = self.una
        if self.sacked.issuperset(range(at, self.sent)):
            self.sacked.clear()  # RFC 2018, section 8: a SACK is no promise
        while at < self.sent:
            if at in self.sacked:
                at += 1
                continue
            size = min(self.rng.randint(1, 1000), self.sent - at)
            size = next((n for n in range(size) if at + n in self.sacked), size)
            yield self._piece(at, max(size, 1))
            at += max(size, 1)

    def _piece(self, at: int, size: int) -> bytes:
        payload = self.data[at : at + size]
        last = FIN if at + size >= len(self.data) else 0
        return self.frame(at, payload, ACK | last, self.options)

    def takes(self, frame: bytes) -> bytes | None:
        """Take a segment and return what is answered."""
        assert problems(frame) == []
        options, payload = parts(frame)
        header = frame[34:54]
        seq, ack = (int.from_bytes(header[at : at + 4], "big") for at in (4, 8))
        flags = header[13]
        if flags & RST:
            self.reset = True
            return None
        if flags & SYN:
            assert self.peer_isn in {None, seq}
            again = self.peer_isn is not None and self.way is Direction.C2S
            self.peer_isn, self.syn_known = seq, True
            if flags & ACK:
                self._acknowledged(ack, b"")
                return self.frame(max(self.sent, 0))
            self.sent = max(self.sent, 0)
            return self.opening() if not again else None
        if self.peer_isn is None:
            return None
        if flags & ACK:
            self._acknowledged(ack, options)
        at = (seq - self.peer_isn - 1 + 2**31) % _CIRCLE - 2**31
        if payload or flags & FIN:
            self._store(at, payload, fin=bool(flags & FIN))
        elif at >= self.received + self.closed:
            return None
        return self.frame(self.sent, options=self._blocks())

    def _acknowledged(self, ack: int, options: bytes) -> None:
        number = (ack - self.isn - 1 + 2**31) % _CIRCLE - 2**31
        assert number <= self.sent, "acknowledged what was never sent"
        self.una = max(self.una, number)
        for left, right in sack_blocks(options):
            start, end = ((n - self.isn - 1) % _CIRCLE for n in (left, right))
            assert 0 <= start < end <= self.sent, "SACK of what was never sent"
            self.sacked.update(range(start, end))

    def _store(self, at: int, payload: bytes, *, fin: bool) -> None:
        old = bool(payload) and all(at + n in self.got for n in range(len(payload)))
        self.duplicate = (at, at + len(payload)) if old else None
        self.latest = (at, at + len(payload)) if payload and not old else self.latest
        for offset, byte in enumerate(payload):
            if at + offset >= 0:
                assert self.got.setdefault(at + offset, byte) == byte, "two bytes for one number"
        while self.received in self.got:
            self.received += 1
        if fin and at + len(payload) == self.received:
            self.closed = True

    def _blocks(self) -> bytes:
        """Return SACK blocks for what waits behind a hole, a D-SACK first if there is one."""
        if not self.sack:
            return b""
        blocks = [self.duplicate] if self.duplicate else []
        if self.latest and self.latest[0] > self.received:
            start, end = self.latest
            while start - 1 in self.got:
                start -= 1
            while end in self.got:
                end += 1
            blocks.append((start, end))
        if not blocks or self.peer_isn is None:
            return b""
        edges = b"".join(
            ((self.peer_isn + 1 + edge) % _CIRCLE).to_bytes(4, "big")
            for block in blocks
            for edge in block
        )
        return b"\x01\x01" + bytes((5, 2 + len(edges))) + edges


def sack_blocks(options: bytes) -> Iterator[tuple[int, int]]:
    """Yield the blocks of the first SACK option."""
    at = 0
    while at + 1 < len(options) and options[at] not in {0, 5}:
        at += 1 if options[at] == 1 else max(2, options[at + 1])
    if at + 1 < len(options) and options[at] == 5:
        edges = options[at + 2 : at + options[at + 1]]
        for start in range(0, len(edges) - 7, 8):
            yield (
                int.from_bytes(edges[start : start + 4], "big"),
                int.from_bytes(edges[start + 4 : start + 8], "big"),
            )


@dataclass(kw_only=True)
class Tap:
    """A behaviour that lets everything pass and remembers it."""

    frames: list[tuple[Direction, bytes]] = field(default_factory=list)
    acted_count: int = 0

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        self.frames.append((direction, frame))
        return (Emission(frame=frame, direction=direction, at_ns=now_ns),)


@dataclass(kw_only=True)
class Talk:
    """A whole connection through boxes."""

    client: End
    server: End
    chain: Chain
    crossed: list[tuple[Direction, bytes]]
    """What came out of the chain, in order."""


def talk(
    boxes: Sequence[Behaviour],
    *,
    upload: bytes,
    download: bytes,
    seed: int,
    isns: tuple[int, int] = (1000, 4_294_967_000),
    sack: bool = True,
    options: bytes = b"",
    limit_ns: int = 60_000 * MS,
) -> Talk:
    """Run a connection until both ends have closed, or for a minute of its own time."""
    rng = random.Random(seed)  # noqa: S311 - reproducible
    client = End(way=Direction.C2S, isn=isns[0], data=upload, rng=rng, sack=sack, options=options)
    server = End(way=Direction.S2C, isn=isns[1], data=download, rng=rng, sack=sack, options=options)
    chain = Chain(boxes)
    ends = {Direction.C2S: server, Direction.S2C: client}
    crossed: list[tuple[Direction, bytes]] = []
    now_ns = 0
    while now_ns < limit_ns and not all(end.done and end.closed for end in (client, server)):
        now_ns += _TICK_NS
        arrived = chain.poll(now_ns)
        for end in (client, server):
            for frame in end.sends(now_ns):
                arrived += chain.push(frame, end.way, now_ns)
        while arrived:
            answers: list[tuple[bytes, Direction]] = []
            for emission in arrived:
                crossed.append((emission.direction, emission.frame))
                end = ends[emission.direction]
                answer = end.takes(emission.frame)
                if answer is not None and not end.reset:
                    answers.append((answer, end.way))
            arrived = []
            for frame, way in answers:
                arrived += chain.push(frame, way, now_ns)
    return Talk(client=client, server=server, chain=chain, crossed=crossed)


def payloads(crossed: Iterable[tuple[Direction, bytes]], way: Direction) -> list[bytes]:
    """Return the payloads that came out one way, empty ones left out."""
    return [
        parts(frame)[1] for crossed_way, frame in crossed if crossed_way is way and parts(frame)[1]
    ]
