"""A real kernel behind links of known delay, rate and queue: two captures tell what they did."""

import pytest

from lab.lines import line
from lab.network import Observation, lab
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.one_way.measure import measure
from mptcp_check.analysis.one_way.values import Fate, TwoEnds
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.link import Link, Parameters
from mptcp_check.model import Side

pytestmark = pytest.mark.lab

MS = 1_000_000
LATE_NS = 8 * MS
"""What a busy computer may add to a packet's least way."""


def two_ends(seen: Observation) -> TwoEnds:
    return measure(pair(*(read(seen.pcapng(side)) for side in (Side.CLIENT, Side.SERVER))))


@pytest.mark.parametrize("delay_ms", [5, 20])
def test_the_delay_of_a_link_is_found_in_both_directions(delay_ms: int) -> None:
    links = [Chain([line(delay_ms * MS)]) for _ in range(2)]
    with lab(links) as network:
        found = two_ends(network.observe())

    assert len(found.subflows) == 2
    assert found.clock is not None
    assert found.clock.offset_low_ns <= 0 <= found.clock.offset_high_ns
    for subflow in found.subflows:
        for way in (subflow.c2s, subflow.s2c):
            assert way.delay_min_ns is not None
            assert delay_ms * MS <= way.delay_min_ns + LATE_NS
            assert way.delay_min_ns <= delay_ms * MS + LATE_NS
            assert way.sent_count == way.arrived_count > 0


def test_what_a_full_queue_drops_is_lost_between_the_capture_points() -> None:
    small = Link(Parameters(rate_bps=8_000_000, queue_bytes=20_000))
    with lab([Chain([small]), Chain([line()])], paths=1) as network:
        seen = network.observe(payload_bytes=1_500_000)
        found = two_ends(seen)
    (subflow,) = found.subflows

    assert seen.transferred.whole
    assert small.queue_dropped_count > 0
    assert subflow.s2c.lost_count + subflow.c2s.lost_count == small.queue_dropped_count
    assert Fate.NOT_CAPTURED not in found.crossings.fate
    # a busy computer may let data wait until a needless copy of it has come: that many, no more
    lost_data_count = subflow.s2c.lost_data_count + subflow.c2s.lost_data_count
    again_count = sum(seen.counters[side].get("TcpRetransSegs", 0) for side in Side)
    dropped_count = subflow.s2c.dropped_by_host_count + subflow.c2s.dropped_by_host_count
    assert dropped_count <= again_count - lost_data_count
    # what is in the queue before a packet, at 8 Mbit/s: 20 ms; for some a busy computer adds to it
    variation = subflow.s2c.variation
    assert variation.median_ns is not None
    assert variation.p95_ns is not None
    assert 10 * MS < variation.median_ns < 40 * MS
    assert variation.median_ns <= variation.p95_ns
