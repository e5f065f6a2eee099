from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.series.numbering import LARGEST, follow, nearest, relative, unwrapped

JUMPS = st.lists(st.integers(-(1 << 30), 1 << 30), min_size=1, max_size=50)
NUMBERS = st.lists(st.integers(0, (1 << 64) - 1), max_size=30)


@given(st.integers(0, (1 << 32) - 1), JUMPS)
def test_numbers_that_wrap_around_are_followed(first: int, jumps: list[int]) -> None:
    true = list(accumulate(jumps))
    wrapped = np.array([(first + number) % (1 << 32) for number in true], np.uint32)

    assert unwrapped(wrapped, first).tolist() == true


@given(st.integers(0, 3).map(lambda top: (top << 62) + 12_345), JUMPS, st.data())
def test_short_and_long_numbers_mix(origin: int, jumps: list[int], data: st.DataObject) -> None:
    true = list(accumulate(jumps))
    wide = data.draw(st.lists(st.booleans(), min_size=len(true), max_size=len(true)))
    sent = [
        (origin + number) % (1 << (64 if whole else 32))
        for number, whole in zip(true, wide, strict=True)
    ]
    values = relative(np.array(sent, np.uint64), origin, np.array(wide))
    numbers, believed = follow(values, np.array(wide), 0)

    assert numbers.tolist() == true
    assert believed.all()


@given(NUMBERS, st.integers(0, (1 << 64) - 1), st.data())
def test_no_number_is_too_wild(sent: list[int], origin: int, data: st.DataObject) -> None:
    wide = data.draw(st.lists(st.booleans(), min_size=len(sent), max_size=len(sent)))
    values = relative(np.array(sent, np.uint64), origin, np.array(wide, np.bool_))
    numbers, believed = follow(values, np.array(wide, np.bool_), 0)

    assert len(numbers) == len(believed) == len(sent)
    assert not len(values) or int(abs(values).max()) <= LARGEST


def test_one_number_far_away_is_not_believed_and_two_are() -> None:
    far = 1 << 40
    wide = np.ones(6, np.bool_)
    values = np.array([1, far, 1001, far, far + 1000, far + 2000], np.int64)

    assert follow(values, wide, 0)[1].tolist() == [True, False, True, False, True, True]


def test_the_nearest_number_may_lie_across_the_wrap() -> None:
    numbers = np.array([5, 0xFFFF_FFF0], np.uint32)

    assert nearest(numbers, np.array([(1 << 32) - 10, 3])).tolist() == [(1 << 32) + 5, -16]
