import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from mptcp_check.analysis.interval_owners import FREE, cells


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), max_size=20))
@example([])
@example([(3, 3)])
def test_a_place_belongs_to_the_first_interval_that_has_it(
    intervals: list[tuple[int, int]],
) -> None:
    start, end = (np.array([pair[side] for pair in intervals], np.int64) for side in (0, 1))
    places = np.arange(-25, 26)
    owners = cells(start, end).owner_at(places)

    for place, owner in zip(places.tolist(), owners.tolist(), strict=True):
        takers = [index for index, (a, b) in enumerate(intervals) if a <= place < b]
        assert owner == min(takers, default=FREE)
