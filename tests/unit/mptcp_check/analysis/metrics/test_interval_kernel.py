from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.kernels import records
from mptcp_check.analysis.metrics.interval_kernel import WORDS, add, listed
from mptcp_check.analysis.metrics.state_tables import (
    ARENA_WORDS,
    CLASSES,
    FREE,
    LARGEST_CLASS,
    SET_RECORD,
    UNKNOWN,
)


class Bytes:
    """One interval set, as the kernel has it."""

    def __init__(self) -> None:
        self.sets = records(np.zeros(1, SET_RECORD))
        self.sets["list"] = UNKNOWN
        self.arena = np.zeros(ARENA_WORDS, np.int64)
        self.blocks = np.full(CLASSES + 1, UNKNOWN, np.int64)
        self.blocks[FREE] = 0

    def add(self, start: int, end: int, now_ns: int = 0) -> tuple[int, int, int]:
        new, waited, longest = add(self.sets, 0, self.arena, self.blocks, start, end, now_ns)
        return int(new), int(waited), int(longest)

    def intervals(self) -> list[tuple[int, int]]:
        at, count = int(listed(self.sets, 0)), int(self.sets["count"][0])
        lower = self.arena[at : at + count * WORDS].reshape(-1, WORDS).tolist() if count else []
        highest = (int(self.sets["low"][0]), int(self.sets["high"][0]))
        return [(low, high) for low, high, _ in lower] + [highest]


@given(st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 25)), min_size=1, max_size=80))
@settings(deadline=None)
def test_a_set_holds_the_union_of_what_was_added(pieces: list[tuple[int, int]]) -> None:
    ours, model = Bytes(), set[int]()
    for start, size in pieces:
        fresh = set(range(start, start + size)) - model
        assert ours.add(start, start + size)[0] == len(fresh)
        model |= fresh

    intervals = ours.intervals()
    assert {byte for low, high in intervals for byte in range(low, high)} == model
    gaps = [low - high for (_, high), (low, _) in pairwise(intervals)]
    assert all(gap > 0 for gap in gaps)


def test_a_hole_that_is_filled_tells_how_long_it_was_there() -> None:
    ours = Bytes()
    ours.add(0, 10, 100)
    ours.add(20, 30, 200)
    ours.add(40, 50, 300)

    assert ours.add(10, 15, 500) == (5, 0, 0)
    assert ours.add(15, 20, 600) == (5, 400, 400)
    assert ours.add(30, 40, 900) == (10, 600, 600)


def test_a_full_list_forgets_its_lowest_hole_and_stays_in_its_bounds() -> None:
    ours = Bytes()
    for number in range(20_000):
        assert ours.add(4 * number, 4 * number + 1)[0] == 1

    assert int(ours.sets["class_"][0]) == LARGEST_CLASS
    assert int(ours.blocks[FREE]) < ARENA_WORDS
    assert ours.add(4 * 19_999 - 2, 4 * 19_999)[0] == 2
    assert ours.add(2, 3)[0] == 0


def test_blocks_that_grew_are_used_again() -> None:
    ours = Bytes()
    for _ in range(50):
        base = int(ours.sets["high"][0]) + 2
        for number in range(40):
            ours.add(base + 4 * number, base + 4 * number + 1)
        used = int(ours.blocks[FREE])
        ours.add(base - 2, base + 200)
    assert used < ARENA_WORDS // 8
