"""Offset and drift of the server's clock: the truth lies in the bounds that are stated."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.one_way.clock import MIN_SEGMENTS, ahead_ns, estimate
from mptcp_check.analysis.one_way.values import ClockEstimate
from mptcp_check.model import Side
from segments import ACK
from two_ends import MS, MSS, SECOND, Conversation, Ends, delays_ns

US = 1_000
EPOCH_NS = 1_700_000_000 * SECOND


def crossed(
    *,
    seed: int = 1,
    count: int = 600,
    span_s: float = 60,
    offset_ns: int = 0,
    drift_ppm: float = 0,
    delay_ns: tuple[int, int] = (5 * MS, 5 * MS),
    jitter_ns: int = 2 * MS,
    step_ns: int = 0,
) -> ClockEstimate | None:
    """Let packets cross in both directions and return what is made of it.

    Queues hold most packets up, and some not at all: delays are least plus an exponential time.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible
    rows: list[tuple[int, int, bool]] = []
    for index in range(count):
        true_ns = int(span_s * SECOND * index / count)
        by_server = index % 2 == 1
        waits = delay_ns[by_server] + int(rng.expovariate(1 / jitter_ns)) if jitter_ns else 0
        there = true_ns + (waits or delay_ns[by_server])
        shown = []
        for time_ns, at_server in ((true_ns, by_server), (there, not by_server)):
            moved = offset_ns + round(time_ns * drift_ppm / 1e6) if at_server else 0
            if at_server and index > count // 2:
                moved += step_ns
            shown.append(EPOCH_NS + time_ns + moved)
        rows.append((shown[0], shown[1], by_server))
    sent, received, server = zip(*rows, strict=True)
    return estimate(np.array(sent), np.array(received), np.array(server))


@settings(max_examples=60, deadline=None, derandomize=True)  # the interval is a statistic
@given(
    seed=st.integers(0, 10**6),
    drift_ppm=st.floats(-200, 200),
    offset_ns=st.integers(-(10**15), 10**15),
    delay_ns=st.tuples(st.integers(0, 50 * MS), st.integers(0, 50 * MS)),
    jitter_ns=st.integers(1, 5 * MS),
)
def test_the_truth_lies_in_the_stated_bounds(
    seed: int, drift_ppm: float, offset_ns: int, delay_ns: tuple[int, int], jitter_ns: int
) -> None:
    clock = crossed(
        seed=seed,
        drift_ppm=drift_ppm,
        offset_ns=offset_ns,
        delay_ns=delay_ns,
        jitter_ns=jitter_ns,
    )
    assert clock is not None
    assert clock.drift_low_ppm is not None
    assert clock.drift_high_ppm is not None
    assert clock.drift_low_ppm - 0.001 <= drift_ppm <= clock.drift_high_ppm + 0.001
    true_ns = offset_ns + round((clock.reference_ns - EPOCH_NS) * drift_ppm / 1e6)
    assert clock.offset_low_ns - 2 <= true_ns <= clock.offset_high_ns + 2
    assert clock.offset_low_ns <= clock.offset_ns <= clock.offset_high_ns


def test_fifty_parts_per_million_over_a_minute_are_found() -> None:
    clock = crossed(drift_ppm=50)

    assert clock is not None
    assert clock.drift_ppm == pytest.approx(50, abs=2)
    assert clock.drift_applied_ppm == clock.drift_ppm
    assert clock.drift_low_ppm is not None
    assert clock.drift_high_ppm is not None
    assert clock.drift_low_ppm <= 50 <= clock.drift_high_ppm
    assert clock.drift_high_ppm - clock.drift_low_ppm < 30


def test_no_drift_is_not_corrected() -> None:
    clock = crossed(drift_ppm=0)

    assert clock is not None
    assert clock.drift_applied_ppm == 0
    assert clock.drift_low_ppm is not None
    assert clock.drift_high_ppm is not None
    assert clock.drift_low_ppm <= 0 <= clock.drift_high_ppm


def test_on_a_path_alike_both_ways_the_offset_is_right() -> None:
    clock = crossed(offset_ns=123_456_789, jitter_ns=100 * US)

    assert clock is not None
    assert clock.offset_ns == pytest.approx(123_456_789, abs=50 * US)


def test_on_an_uneven_path_the_bounds_still_hold() -> None:
    clock = crossed(delay_ns=(40 * MS, 2 * MS), jitter_ns=100 * US)

    assert clock is not None
    assert abs(clock.offset_ns) > 15 * MS
    assert clock.offset_low_ns <= 0 <= clock.offset_high_ns


@settings(max_examples=20, deadline=None)
@given(shift_ns=st.integers(-(10**17), 10**17))
def test_setting_a_clock_shifts_the_offset_and_nothing_else(shift_ns: int) -> None:
    first, other = crossed(drift_ppm=30), crossed(drift_ppm=30, offset_ns=shift_ns)

    assert first is not None
    assert other is not None
    assert other.offset_ns - first.offset_ns == pytest.approx(shift_ns, abs=1)
    assert other.drift_ppm == first.drift_ppm
    assert (other.drift_low_ppm, other.drift_high_ppm) == (
        first.drift_low_ppm,
        first.drift_high_ppm,
    )


@pytest.mark.parametrize(
    ("span_s", "count", "words"),
    [(3, 600, "fewer than 5 s"), (60, 2 * MIN_SEGMENTS - 2, "segments in one of the directions")],
)
def test_too_little_is_said_and_not_guessed(span_s: float, count: int, words: str) -> None:
    clock = crossed(span_s=span_s, count=count, drift_ppm=50)

    assert clock is not None
    assert clock.drift_ppm is None
    assert clock.not_estimated is not None
    assert words in clock.not_estimated
    assert clock.drift_applied_ppm == 0


def test_a_clock_that_was_set_in_between_is_said() -> None:
    clock = crossed(step_ns=3 * SECOND)

    assert clock is not None
    assert clock.drift_ppm is None
    assert clock.not_estimated is not None
    assert "was set" in clock.not_estimated


def test_one_direction_alone_tells_no_offset() -> None:
    times = np.arange(10) * SECOND

    assert estimate(times, times + 1, np.zeros(10, np.bool_)) is None
    assert estimate(times, times + 1, np.ones(10, np.bool_)) is None
    assert estimate(times[:0], times[:0], np.zeros(0, np.bool_)) is None


def test_the_offset_moves_with_the_applied_drift() -> None:
    clock = crossed(drift_ppm=50, offset_ns=7 * MS)
    assert clock is not None
    moved = ahead_ns(clock, np.array([clock.reference_ns, clock.reference_ns + 10 * SECOND]))

    assert moved[0] == clock.offset_ns
    assert moved[1] - moved[0] == pytest.approx(10 * SECOND * clock.drift_applied_ppm / 1e6, abs=1)


def minute(ends: Ends) -> Ends:
    """Send a segment every 600 ms for a minute, two thirds of them held up."""
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for index in range(100):
        talk.data(start + index * 600 * MS, index * MSS, more_ns=(index % 3) * MS)
    talk.close(start + 61 * SECOND, 100 * MSS)
    return ends


def test_drift_is_taken_out_of_the_delays_of_captured_packets() -> None:
    found = minute(Ends(drift_ppm=50)).measured()
    way = found.subflows[0].c2s

    assert found.clock is not None
    assert found.clock.drift_ppm == pytest.approx(50, abs=1)
    assert way.variation.max_ns == pytest.approx(2 * MS, abs=100 * US)
    assert way.delay_min_ns == pytest.approx(5 * MS, abs=100 * US)


@settings(max_examples=4, deadline=None)
@given(shift_ns=st.integers(-SECOND, 10**16))
def test_delays_do_not_depend_on_what_the_clocks_were_set_to(shift_ns: int) -> None:
    found = [minute(Ends(offset_ns=offset)).measured() for offset in (0, shift_ns)]

    for by_server in (False, True):
        first, other = (delays_ns(ends, by_server=by_server) for ends in found)
        assert other == first
    assert found[1].subflows[0].c2s == found[0].subflows[0].c2s


def test_packets_in_one_direction_still_tell_how_delay_varies() -> None:
    ends = Ends()
    talk = Conversation(ends=ends)
    start = talk.open() + MS
    for index in range(20):
        payload = bytes(MSS)
        sent = talk.segment(index * MSS, start, flags=ACK, payload=payload)
        ends.cross(start + index * MS, sent, by_client=True, more_ns=index % 4 * 100 * US)
    for side in Side:
        ends.records[side] = [r for r in ends.records[side] if r[1][12:16] == bytes([10, 0, 0, 1])]
    found = ends.measured()

    assert found.clock is None
    assert found.subflows[0].c2s.variation.max_ns == 300 * US
    assert found.subflows[0].c2s.delay_error_ns is None
