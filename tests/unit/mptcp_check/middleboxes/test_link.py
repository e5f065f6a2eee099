import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.link import Link, Parameters
from mptcp_check.model import Direction

C2S, S2C = Direction.C2S, Direction.S2C
MEGABIT = Parameters(rate_bps=8_000_000, delay_ns=1_000, queue_bytes=3_000)  # a byte per us


def departures(link: Link, arrivals: list[tuple[int, int]], direction: Direction) -> list[int]:
    return [
        emission.at_ns
        for at_ns, size in arrivals
        for emission in link.on_frame(bytes(size), direction, at_ns)
    ]


def test_a_frame_takes_its_length_at_the_rate_and_the_delay() -> None:
    assert departures(Link(MEGABIT), [(0, 1000)], C2S) == [1_000_000 + 1_000]


def test_a_frame_waits_for_those_before_it() -> None:
    assert departures(Link(MEGABIT), [(0, 1000), (0, 1000), (5_000_000, 1000)], C2S) == [
        1_001_000,
        2_001_000,
        6_001_000,
    ]


def test_directions_do_not_share_the_line() -> None:
    link = Link(MEGABIT)
    departures(link, [(0, 1000)] * 3, C2S)

    assert departures(link, [(0, 1000)], S2C) == [1_001_000]


def test_what_finds_the_queue_full_is_dropped() -> None:
    link = Link(MEGABIT)

    # One is on the line and counts as waiting until it is sent, so three fill 3000 bytes.
    assert len(departures(link, [(0, 1000)] * 5, C2S)) == 3
    assert link.queue_dropped_count == link.acted_count == 2
    assert len(departures(link, [(3_000_000, 1000)], C2S)) == 1


def test_an_idle_link_takes_a_frame_longer_than_its_queue() -> None:
    assert len(departures(Link(Parameters(queue_bytes=0)), [(0, 1000), (0, 1000)], C2S)) == 1


@given(
    st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 1514)), max_size=60).map(sorted),
    st.integers(100_000, 10**9),
    st.integers(0, 50_000),
)
def test_order_rate_and_queue_hold_for_any_traffic(
    arrivals: list[tuple[int, int]], rate_bps: int, queue_bytes: int
) -> None:
    parameters = Parameters(rate_bps=rate_bps, delay_ns=5_000, queue_bytes=queue_bytes)
    link = Link(parameters)
    last_ns = 0
    for at_ns, size in arrivals:
        for emission in link.on_frame(bytes(size), C2S, at_ns):
            line_ns = size * 8 * 10**9 // rate_bps
            assert emission.at_ns >= max(at_ns, last_ns) + line_ns
            # One nanosecond of rounding for each of the frames that wait.
            most_ns = (queue_bytes + size) * 8 * 10**9 // rate_bps + len(arrivals)
            assert emission.at_ns - at_ns <= most_ns + parameters.delay_ns
            last_ns = emission.at_ns - parameters.delay_ns
            assert emission.direction is C2S


@pytest.mark.parametrize("wrong", [{"rate_bps": 0}, {"delay_ns": -1}, {"queue_bytes": -1}])
def test_a_link_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a link needs"):
        Parameters(**wrong)
