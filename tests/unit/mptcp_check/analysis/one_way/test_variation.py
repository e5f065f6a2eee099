"""Numbers of all lanes at once are those that one lane at a time gives."""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.one_way import variation
from mptcp_check.analysis.one_way.crossing_kernel import lower_hull
from mptcp_check.analysis.one_way.values import Spread

LANES = 3
LANED = st.lists(st.tuples(st.integers(0, LANES - 1), st.integers(-(10**12), 10**12)), max_size=60)
LOSSES = st.lists(st.lists(st.booleans(), max_size=12), min_size=LANES, max_size=LANES)


def nearest_rank(values: list[int], percent: int) -> int:
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]


@given(LANED)
def test_spreads_are_by_nearest_rank(rows: list[tuple[int, int]]) -> None:
    lane = np.array([lane for lane, _ in rows], np.int64)
    value = np.array([value for _, value in rows], np.int64)

    for index, found in enumerate(variation.spreads(lane, value, LANES)):
        own = [value for lane, value in rows if lane == index]
        expected = Spread()
        if own:
            expected = Spread(
                count=len(own),
                min_ns=min(own),
                median_ns=nearest_rank(own, 50),
                p95_ns=nearest_rank(own, 95),
                p99_ns=nearest_rank(own, 99),
                max_ns=max(own),
            )
        assert found == expected


@given(LOSSES)
def test_runs_of_losses_and_their_distances(losses: list[list[bool]]) -> None:
    lane = np.repeat(np.arange(LANES), [len(own) for own in losses])
    lost = np.array([each for own in losses for each in own], np.bool_)
    found = variation.loss_runs(lane, lost, LANES)

    for index, own in enumerate(losses):
        runs = [run for run in "".join("x" if each else " " for each in own).split() if run]
        places = [place for place, each in enumerate(own) if each]
        distances = [b - a for a, b in itertools.pairwise(places)]
        assert found.period_count[index] == len(runs)
        assert found.longest_count[index] == max(map(len, runs), default=0)
        assert found.distance_median_count[index] == (
            nearest_rank(distances, 50) if distances else 0
        )


@given(st.lists(st.permutations(range(7)), min_size=LANES, max_size=LANES))
def test_reordering_is_what_the_rfc_defines(orders: list[list[int]]) -> None:
    lane = np.repeat(np.arange(LANES), 7)
    sent = np.array([index * 7 + place for index, own in enumerate(orders) for place in own])
    found = variation.reordering(lane, sent, LANES)

    for index, own in enumerate(orders):
        extents = [
            at - next(j for j in range(at) if own[j] > own[at])
            for at in range(7)
            if any(before > own[at] for before in own[:at])
        ]
        assert found.count[index] == len(extents)
        assert found.extent_max_count[index] == max(extents, default=0)


def test_only_neighbours_that_both_arrived_are_compared() -> None:
    lane = np.array([0, 0, 0, 0, 1, 1])
    delay = np.array([5, 7, 0, 9, 1, 4])
    known = np.array([True, True, False, True, True, True])
    lanes, found = variation.consecutive(lane, delay, known)

    assert (lanes.tolist(), found.tolist()) == ([0, 1], [2, 3])


POINTS = st.lists(st.tuples(st.integers(0, 40), st.integers(-50, 50)), min_size=1, max_size=40)


@given(POINTS, st.integers(-5, 5))
def test_the_hull_below_bounds_every_line(points: list[tuple[int, int]], slope: int) -> None:
    points = sorted(points, key=lambda point: point[0])
    x = np.array([x for x, _ in points], np.float64)
    y = np.array([y for _, y in points], np.float64)
    chosen = np.zeros(len(points), np.int64)
    corners = chosen[: lower_hull(x, y, chosen)]

    assert (y[corners] - slope * x[corners]).min() == (y - slope * x).min()
    assert (np.diff(x[corners]) > 0).all()
    turns = np.diff(np.diff(y[corners]) / np.diff(x[corners]))
    assert (turns > 0).all()
