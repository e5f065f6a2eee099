"""What is drawn and what is counted are the same: `series` and `metrics` by one definition each."""

from collections.abc import Iterator, Sequence

import pytest

from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.flows.connections import Kind, connections
from mptcp_check.analysis.metrics.inspection import inspect
from mptcp_check.analysis.metrics.values import DataMetrics, DirectionMetrics, SubflowMetrics
from mptcp_check.analysis.series.coverage import fresh_bytes
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.values import DirectionSeries, Sending, SubflowSeries
from oracle_captures import CAPTURES


@pytest.fixture(scope="module", params=CAPTURES)
def capture(request: pytest.FixtureRequest) -> Capture:
    return read(CAPTURES[request.param]())


Both = tuple[DirectionSeries, DataMetrics, tuple[SubflowMetrics, ...]]


def directions(capture: Capture) -> Iterator[Both]:
    """Yield each direction of each Multipath TCP connection: drawn, counted, its subflows."""
    counted = inspect(capture).connections
    for connection, metrics in zip(connections(capture.packets), counted, strict=True):
        if connection.kind is not Kind.MPTCP:
            continue
        for drawn in series_of(capture.packets, connection).directions:
            data = metrics.c2s if drawn.from_client else metrics.s2c
            yield drawn, data, metrics.subflows


def subflows(capture: Capture) -> Iterator[tuple[SubflowSeries, DirectionMetrics]]:
    for drawn, _, metrics in directions(capture):
        for series, each in zip(drawn.subflows, metrics, strict=True):
            yield series, each.c2s if drawn.from_client else each.s2c


def reinjected(drawn: DirectionSeries, subflow: int) -> int:
    """Count what a subflow carried after another one: once, though it mapped it again and again."""
    own = drawn.sent.subflow == subflow
    again = fresh_bytes(drawn.sent.start[own], drawn.sent.end[own]) - drawn.sent.fresh_bytes[own]
    return int(again[drawn.sent.sending[own] == Sending.REINJECTED].sum())


def never_seen(ends: Sequence[DirectionMetrics]) -> int:
    """Count what mappings announced and no segment brought: it was lost in front of the capture."""
    return sum(max(one.mapped_bytes - one.unique_bytes, 0) for one in ends)


def announced_ahead(capture: Capture) -> bool:
    """Say whether a mapping is longer than the segment that has it, and its DATA_FIN."""
    dss, payload_bytes = capture.packets.dss, capture.packets.payload_bytes
    return bool((dss.data_length > payload_bytes[dss.packet] + 1).any())


def test_data_and_reinjected_bytes_agree(capture: Capture) -> None:
    """Metrics count what mappings announce, series what segments carry."""
    for drawn, data, metrics in directions(capture):
        ends = [each.c2s if drawn.from_client else each.s2c for each in metrics]
        carried = sum(reinjected(drawn, subflow) for subflow in range(len(ends)))
        assert drawn.data_bytes == data.data_bytes
        assert 0 <= data.reinjected_bytes - carried <= never_seen(ends)


def test_reinjected_bytes_of_subflows_agree_where_no_payload_came_late(capture: Capture) -> None:
    """Metrics ask which subflow announced data first, series which one carried it first.

    These are two when a mapping's payload is lost in front of the capture and overtaken, or was
    announced with the first segments of a burst and sent after another subflow brought it.
    """
    for drawn, data, metrics in directions(capture):
        ends = [each.c2s if drawn.from_client else each.s2c for each in metrics]
        if any(one.out_of_order_count for one in ends) or never_seen(ends):
            continue
        carried = [reinjected(drawn, subflow) for subflow in range(len(ends))]
        if carried != [one.reinjected_bytes for one in ends]:
            assert announced_ahead(capture)
            assert sum(carried) == data.reinjected_bytes


def test_round_trips_agree(capture: Capture) -> None:
    for series, one in subflows(capture):
        for drawn, counted in (
            (series.rtt_timestamps, one.rtt_timestamps),
            (series.rtt_acks, one.rtt_acks),
        ):
            assert len(drawn.value) == counted.count
            if counted.count:
                assert int(drawn.value.min()) == counted.min_ns
                assert int(drawn.value.max()) == counted.max_ns
                assert int(drawn.value.sum()) // counted.count == counted.mean_ns
                assert counted.stddev_ns is not None
                assert counted.max_ns is not None
                deviation = drawn.value.std(ddof=1) if counted.count > 1 else 0
                spread = abs(float(deviation) - counted.stddev_ns)
                assert spread <= counted.max_ns / 64 + 1
                assert counted.min_ns <= counted.median_ns <= counted.max_ns * 65 / 64 + 1


def test_the_captures_hold_reinjections_and_round_trips_of_both_kinds() -> None:
    lossy = read(CAPTURES["captures/kernel_v1_lossy.pcapng"]())

    assert sum(data.reinjected_bytes for _, data, _ in directions(lossy)) > 10_000
    assert sum(one.rtt_timestamps.count for _, one in subflows(lossy)) >= 10
    assert sum(one.rtt_acks.count for _, one in subflows(lossy)) >= 15
