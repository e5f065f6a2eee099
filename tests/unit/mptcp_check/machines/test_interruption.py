"""A link that loses everything for a while, once so much has crossed."""

from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.machines.interruption import Interruption

FRAME = bytes(100)


def armed() -> Interruption:
    return Interruption(link=0, after_bytes=250, lasts_ns=1000)


def test_it_waits_for_its_moment_loses_one_link_and_ends() -> None:
    one = armed()

    assert [one.loses(link, FRAME, 10) for link in (0, 1, 0)] == [False, False, True]
    assert one.began_ns == 10
    assert one.loses(0, FRAME, 1009)
    assert not one.loses(1, FRAME, 500)
    assert not one.loses(0, FRAME, 1010)
    assert one.lost_count == 2


def test_what_crosses_on_any_link_counts_until_it_begins() -> None:
    one = armed()
    for link in (0, 1, 1, 0):
        one.loses(link, FRAME, 10)
    assert one.crossed_bytes == 300


def test_it_ends_when_it_is_disarmed_and_never_began_without_traffic() -> None:
    one = armed()
    assert one.ended_ns(99) == 0
    for _ in range(3):
        one.loses(0, FRAME, 10)
    assert one.ended_ns(500) == 500
    assert one.ended_ns(5000) == 1010


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 200), st.integers(1, 400)), max_size=50)
)
def test_nothing_is_lost_before_or_after_or_on_another_link(
    frames: list[tuple[int, int, int]],
) -> None:
    one, now_ns, lost = armed(), 1, 0
    for link, size, step_ns in frames:
        now_ns += step_ns
        gone = one.loses(link, bytes(size), now_ns)
        lost += gone
        if gone:
            assert link == 0
            assert one.began_ns <= now_ns < one.began_ns + 1000
    assert one.lost_count == lost
