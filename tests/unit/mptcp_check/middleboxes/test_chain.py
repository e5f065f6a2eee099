from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.link import Link, Parameters
from mptcp_check.model import Direction

C2S, S2C = Direction.C2S, Direction.S2C


@dataclass
class Stamp:
    """Writes its name onto every frame, after a delay."""

    name: bytes
    delay_ns: int = 0
    acted_count: int = 0
    times_ns: list[int] = field(default_factory=list[int])

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        self.times_ns.append(now_ns)
        at_ns = now_ns + self.delay_ns
        return (Emission(frame=frame + self.name, direction=direction, at_ns=at_ns),)


class Mirror:
    """Sends every frame back and a copy on."""

    acted_count = 0

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        return [
            Emission(frame=frame + b"<", direction=opposite(direction), at_ns=now_ns),
            Emission(frame=frame + b">", direction=direction, at_ns=now_ns),
        ]


def frames(emissions: Sequence[Emission]) -> list[tuple[bytes, Direction]]:
    return [(e.frame, e.direction) for e in emissions]


def test_the_client_meets_the_boxes_in_order_and_the_server_in_reverse() -> None:
    chain = Chain([Stamp(b"1"), Stamp(b"2"), Stamp(b"3")])

    assert frames(chain.push(b"", C2S, 0)) == [(b"123", C2S)]
    assert frames(chain.push(b"", S2C, 0)) == [(b"321", S2C)]


def test_an_empty_chain_is_a_cable() -> None:
    assert frames(Chain([]).push(b"x", S2C, 5)) == [(b"x", S2C)]


def test_an_answer_goes_back_through_the_boxes_it_came_through() -> None:
    chain = Chain([Stamp(b"1"), Mirror(), Stamp(b"2")])

    assert frames(chain.push(b"", C2S, 0)) == [(b"1<1", S2C), (b"1>2", C2S)]


def test_a_later_emission_waits_and_reaches_the_next_box_at_its_time() -> None:
    last = Stamp(b"2")
    chain = Chain([Stamp(b"1", delay_ns=50), last])

    assert chain.push(b"", C2S, 100) == []
    assert chain.next_due_ns() == 150
    assert chain.poll(149) == []
    (emission,) = chain.poll(1_000)  # late, as a thread that was not scheduled would be

    assert emission.at_ns == 150
    assert last.times_ns == [150]
    assert chain.next_due_ns() is None


def test_an_emission_in_the_past_is_due_at_once() -> None:
    (emission,) = Chain([Stamp(b"", delay_ns=-10)]).push(b"x", C2S, 100)

    assert emission.at_ns == 100


def test_what_exceeds_the_room_inside_is_dropped_and_counted() -> None:
    chain = Chain([Stamp(b"", delay_ns=10)], max_waiting_bytes=10)

    chain.push(bytes(6), C2S, 0)
    chain.push(bytes(6), C2S, 0)

    assert chain.overflow_dropped_count == 1
    assert len(chain.poll(10)) == 1
    chain.push(bytes(6), C2S, 20)
    assert len(chain.poll(30)) == 1


def test_discarding_forgets_what_waits() -> None:
    chain = Chain([Stamp(b"", delay_ns=10)])
    chain.push(b"x", C2S, 0)

    assert chain.discard() == 1
    assert chain.poll(100) == []


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 30_000_000), st.sampled_from((C2S, S2C)), st.integers(60, 1514)),
    max_size=40,
).map(lambda drawn: sorted(drawn, key=lambda arrival: arrival[0]))


@given(ARRIVALS, st.lists(st.integers(0, 40_000_000), max_size=20))
def test_how_often_the_owner_polls_changes_nothing(
    arrivals: list[tuple[int, Direction, int]], polls: list[int]
) -> None:
    def run(polled_at: list[int]) -> list[Emission]:
        chain = Chain([Stamp(b"a", delay_ns=700_000), Link(Parameters(queue_bytes=6000)), Mirror()])
        out: list[Emission] = []
        pending = sorted(polled_at)
        for number, (at_ns, direction, size) in enumerate(arrivals):
            while pending and pending[0] < at_ns:
                out += chain.poll(pending.pop(0))
            out += chain.push(number.to_bytes(2, "big") * (size // 2), direction, at_ns)
        return out + chain.poll(10**12)

    assert run(polls) == run([])


@given(ARRIVALS)
def test_emissions_leave_in_the_order_of_their_times(
    arrivals: list[tuple[int, Direction, int]],
) -> None:
    chain = Chain([Link(), Stamp(b"", delay_ns=100)])
    out: list[Emission] = []
    for at_ns, direction, size in arrivals:
        out += chain.push(bytes(size), direction, at_ns)
    out += chain.poll(10**12)

    assert [e.at_ns for e in out] == sorted(e.at_ns for e in out)
    assert len(out) == len(arrivals)


class Repeater:
    """Sends every frame again 10 ns later, and once more, and counts in what order things came."""

    def __init__(self) -> None:
        self.acted_count = 0
        self.log: list[tuple[str, int]] = []
        self._left: list[tuple[int, bytes]] = []

    def next_due_ns(self) -> int | None:
        return self._left[0][0] if self._left else None

    def on_time(self, now_ns: int) -> tuple[Emission, ...]:
        self.log.append(("time", now_ns))
        _, frame = self._left.pop(0)
        return (Emission(frame=frame, direction=Direction.C2S, at_ns=now_ns),)

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> tuple[Emission, ...]:
        self.log.append(("frame", now_ns))
        self._left += [(now_ns + 10, frame), (now_ns + 20, frame)]
        return (Emission(frame=frame, direction=direction, at_ns=now_ns),)


def test_a_box_acts_by_itself_at_its_own_times_however_late_the_poll_comes() -> None:
    box = Repeater()
    chain = Chain([box, Link()])

    chain.push(b"one", Direction.C2S, 0)
    assert chain.next_due_ns() == 10
    chain.push(b"two", Direction.C2S, 15)

    assert box.log == [("frame", 0), ("time", 10), ("frame", 15)]
    out = chain.poll(10**9)
    assert box.log[3:] == [("time", 20), ("time", 25), ("time", 35)]
    assert [emission.frame for emission in out] == [b"one", b"one", b"two", b"one", b"two", b"two"]
    assert chain.next_due_ns() is None


def test_a_box_of_a_chain_that_was_emptied_stays_silent() -> None:
    chain = Chain([Repeater()])
    chain.push(b"one", Direction.C2S, 0)

    chain.discard()

    assert chain.next_due_ns() is None
    assert chain.poll(10**9) == []
