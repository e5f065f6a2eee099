import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.series.coverage import fresh_and_foreign, fresh_bytes

INTERVALS = st.lists(
    st.tuples(st.integers(-50, 300), st.integers(0, 60)).map(lambda pair: (pair[0], sum(pair))),
    max_size=40,
)


def fresh(intervals: list[tuple[int, int]]) -> list[int]:
    start, end = (np.array([pair[side] for pair in intervals], np.int64) for side in (0, 1))
    counts: list[int] = fresh_bytes(start, end).tolist()
    return counts


def test_what_an_earlier_interval_has_is_not_fresh() -> None:
    assert fresh([(0, 100), (50, 150), (0, 150), (200, 210), (140, 205)]) == [100, 50, 0, 10, 50]


def test_nothing_has_nothing() -> None:
    assert fresh([]) == []


@given(INTERVALS, st.data())
def test_a_byte_belongs_to_who_brought_it_first(
    intervals: list[tuple[int, int]], data: st.DataObject
) -> None:
    carriers = [data.draw(st.integers(0, 2)) for _ in intervals]
    first: dict[int, int] = {}
    expected = []
    for (start, end), carrier in zip(intervals, carriers, strict=True):
        owners = {first.setdefault(byte, carrier) for byte in range(start, end)}
        expected.append(bool(owners - {carrier}))
    start, end = (np.array([pair[side] for pair in intervals], np.int64) for side in (0, 1))
    _, foreign = fresh_and_foreign(start, end, np.array(carriers, np.int64))

    assert foreign.tolist() == expected


@given(INTERVALS)
def test_it_counts_as_a_set_of_bytes_does(intervals: list[tuple[int, int]]) -> None:
    seen: set[int] = set()
    expected = []
    for start, end in intervals:
        own = set(range(start, end))
        expected.append(len(own - seen))
        seen |= own

    assert fresh(intervals) == expected
