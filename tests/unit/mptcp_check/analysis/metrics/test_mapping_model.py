"""Any data sequence numbers, against a slow model that is exact: wraps, overlaps, nonsense."""

import struct
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.mapping_kernel import LARGEST
from segments import ACK, CLIENT_2, Segment, Talk

SPACE = 1 << 64
LOW = 1 << 32
HALF = 1 << 31


def signed(number: int, space: int) -> int:
    """Return a difference of two numbers of a space, the nearest to 0."""
    return (number + space // 2) % space - space // 2


class Union:
    """A set of integers as a list of intervals, without any cleverness."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> int:
        """Add an interval; return how many of its numbers are new."""
        covered = sum(max(0, min(end, high) - max(start, low)) for low, high in self.parts)
        touched = [p for p in self.parts if p[0] <= end and p[1] >= start]
        low = min([start, *(p[0] for p in touched)])
        high = max([end, *(p[1] for p in touched)])
        self.parts = sorted([p for p in self.parts if p not in touched] + [(low, high)])
        return end - start - covered

    @property
    def highest(self) -> int:
        return self.parts[-1][1] if self.parts else 0

    @property
    def behind(self) -> int:
        """How far the highest number is above the first hole."""
        return self.highest - self.parts[0][1]


@dataclass
class Model:
    """What is to come out for the client's direction."""

    known: set[tuple[int, ...]] = field(default_factory=set)
    first: int | None = None
    data: Union = field(default_factory=Union)
    own: tuple[Union, Union] = field(default_factory=lambda: (Union(), Union()))
    mappings: list[int] = field(default_factory=lambda: [0, 0])
    mapped: list[int] = field(default_factory=lambda: [0, 0])
    duplicate: list[int] = field(default_factory=lambda: [0, 0])
    reinjected: list[int] = field(default_factory=lambda: [0, 0])
    out_of_order: int = 0
    gaps: int = 0
    reorder_max: int = 0

    def take(self, one: "Event") -> None:
        low = one.dsn % LOW
        mapping = (one.subflow, one.ssn, low, one.length, one.fin)
        if mapping in self.known:
            return
        self.known.add(mapping)
        if self.first is None:
            self.first = one.dsn
        reference = self.data.highest
        if one.short:
            start = reference + signed(low - self.first % LOW - reference, LOW)
        else:
            start = signed(one.dsn - self.first, SPACE)
        self.mappings[one.subflow] += 1
        size = one.length - one.fin
        if size <= 0 or abs(start) >= LARGEST:
            return
        empty = not self.data.parts
        self.gaps += not empty and start > reference
        fresh = self.data.add(start, start + size)
        own_fresh = self.own[one.subflow].add(start, start + size)
        if fresh:
            self.out_of_order += not empty and start < reference
            self.reorder_max = max(self.reorder_max, self.data.behind)
        self.mapped[one.subflow] += own_fresh
        self.duplicate[one.subflow] += size - fresh
        self.reinjected[one.subflow] += own_fresh - fresh


@dataclass(frozen=True)
class Event:
    """A mapping on one of two subflows."""

    subflow: int
    dsn: int
    length: int
    ssn: int
    fin: bool = False
    short: bool = False

    def option(self) -> bytes:
        flags = 0x04 | (0 if self.short else 0x08) | (0x10 if self.fin else 0)
        dsn = struct.pack(">I", self.dsn % LOW) if self.short else struct.pack(">Q", self.dsn)
        body = bytes([0x20, flags]) + dsn + struct.pack(">IH", self.ssn, self.length)
        return bytes([30, len(body) + 2]) + body


near = st.integers(-60, 200)
far = st.one_of(
    st.sampled_from([LOW, -LOW, HALF, -HALF, 1 << 61, -(1 << 61), 1 << 63, LOW + 7, HALF - 1]),
    st.integers(0, SPACE - 1),
)


@st.composite
def traffic(draw: st.DrawFn) -> list[Event]:
    base = draw(st.sampled_from([0, 5, LOW - 20, SPACE - 30, HALF - 9, (7 << 32) - 11]))
    count = draw(st.integers(1, 40))
    return [
        Event(
            subflow=draw(st.integers(0, 1)),
            dsn=(base + draw(st.one_of(near, near, near, far))) % SPACE,
            length=draw(st.one_of(st.integers(1, 40), st.just(0xFFFF))),
            fin=draw(st.booleans()) and draw(st.booleans()),
            short=index > 0 and draw(st.booleans()),
            ssn=draw(st.integers(0, 5)),
        )
        for index in range(count)
    ]


@given(traffic())
@example([Event(0, SPACE - 5, 10, 1), Event(1, 3, 4, 1, short=True)])
@example([Event(0, LOW - 5, 10, 1), Event(1, LOW - 5, 20, 1, fin=True, short=True)])
@settings(deadline=None, max_examples=200)
def test_whatever_is_mapped_is_counted_as_the_model_counts_it(events: list[Event]) -> None:
    talk, model = Talk(), Model()
    flows = (
        talk.capable(talk.subflow()),
        talk.join(talk.subflow(client=CLIENT_2, isn=(5000, 7000))),
    )
    frames = talk.packets()
    for event in events:
        model.take(event)
        flow = flows[event.subflow]
        frames.append(
            Segment(
                source=flow.client,
                seq=flow.isn[0] + flow.sent[0],
                ack=flow.isn[1] + flow.sent[1],
                flags=ACK,
                options=event.option(),
            ).packet()
        )
    (connection,) = inspect(read(cf.pcap(frames, link_type=RAW))).connections
    data, ends = connection.c2s, [subflow.c2s for subflow in connection.subflows]

    assert [one.mapping_count for one in ends] == model.mappings
    assert [one.mapped_bytes for one in ends] == model.mapped
    assert [one.duplicate_mapped_bytes for one in ends] == model.duplicate
    assert [one.reinjected_bytes for one in ends] == model.reinjected
    assert [one.doubtful_mapping_count for one in ends] == [0, 0]
    total = sum(high - low for low, high in model.data.parts)
    assert data.data_bytes == total
    if total:
        span = model.data.highest - model.data.parts[0][0]
        assert data.missing_bytes == span - total
        assert data.duplicate_bytes == sum(model.duplicate)
        assert data.reinjected_bytes == sum(model.reinjected)
        assert (data.out_of_order_count, data.gap_count) == (model.out_of_order, model.gaps)
        assert data.reorder_max_bytes == model.reorder_max


@given(
    st.sampled_from([0, LOW - 40, HALF - 40, 12345]),
    st.lists(st.tuples(st.integers(-40, 120), st.integers(1, 30)), min_size=1, max_size=60),
)
@settings(deadline=None)
def test_sequence_numbers_that_wrap_are_counted_as_the_model_counts_them(
    first: int, pieces: list[tuple[int, int]]
) -> None:
    union = Union()
    out_of_order = again = 0
    frames = []
    for offset, size in pieces:
        reference = union.highest
        place = offset - pieces[0][0]
        empty = not union.parts
        fresh = union.add(place, place + size)
        out_of_order += not empty and fresh > 0 and place < reference
        again += fresh < size
        seq = (first + offset) % LOW
        frames.append(Segment(seq=seq, flags=ACK, payload=bytes(size)).packet())
    (connection,) = inspect(read(cf.pcap(frames, link_type=RAW))).connections
    (subflow,) = connection.subflows
    one = subflow.c2s if subflow.c2s.packets_count else subflow.s2c
    unique = sum(high - low for low, high in union.parts)

    assert one.unique_bytes == unique
    assert one.retransmitted_bytes == sum(size for _, size in pieces) - unique
    assert (one.out_of_order_count, one.retransmitted_count) == (out_of_order, again)
    assert one.missed_bytes == union.highest - union.parts[0][0] - unique


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=30))
@settings(deadline=None)
def test_data_acks_never_go_back(acks: list[tuple[bool, int]]) -> None:
    """Of 32 or 64 bits, across the end of the number space."""
    talk = Talk()
    flow = talk.capable(talk.subflow())
    frames = talk.packets()
    base = SPACE - 200
    event = Event(0, base, 300, 1)
    frames.append(Segment(seq=1001, ack=9001, flags=ACK, options=event.option()).packet())
    highest = 0
    for short, offset in acks:
        number = (base + offset) % SPACE
        packed = struct.pack(">I", number % LOW) if short else struct.pack(">Q", number)
        body = bytes([0x20, 0x01 if short else 0x03]) + packed
        option = bytes([30, len(body) + 2]) + body
        frames.append(
            Segment(
                source=flow.server,
                destination=flow.client,
                seq=9001,
                ack=1001,
                flags=ACK,
                options=option,
            ).packet()
        )
        highest = max(highest, offset)
    (connection,) = inspect(read(cf.pcap(frames, link_type=RAW))).connections

    assert connection.c2s.acknowledged_bytes == highest
