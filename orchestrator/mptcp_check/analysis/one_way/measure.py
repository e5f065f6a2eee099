"""Two captures of the same connections: what happened to each segment between them."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.connections import Subflow
from mptcp_check.analysis.one_way import clock as clocks
from mptcp_check.analysis.one_way import segments as columns
from mptcp_check.analysis.one_way import variation
from mptcp_check.analysis.one_way.fates import Fates, fates
from mptcp_check.analysis.one_way.matching import Matches, match
from mptcp_check.analysis.one_way.segments import Aligned, Segments
from mptcp_check.analysis.one_way.values import (
    ClockEstimate,
    Crossings,
    Fate,
    SubflowWays,
    TwoEnds,
    WayMetrics,
)
from mptcp_check.analysis.pairing.paired import PairedConnection, PairedSubflow
from mptcp_check.model import Side

_WAYS: Final = 2

Numbers = dict[tuple[Side, int], tuple[int, int]]
"""Numbers of connection and subflow in their own capture, by end and first segment."""


def measure(connections: Sequence[PairedConnection]) -> TwoEnds:
    """Follow every segment of paired connections from one capture point to the other.

    Args:
        connections: As `pairing.pair` gives them, of two captures.
    """
    chosen: list[tuple[PairedConnection, PairedSubflow, Aligned]] = []
    alone = dict.fromkeys(Side, 0)
    proxied = unaligned = 0
    for connection in connections:
        for subflow in connection.subflows:
            if len(subflow.views) < len(Side):
                alone[next(iter(subflow.views))] += 1
            elif not subflow.is_one_connection:
                proxied += 1
            elif (found := columns.aligned(subflow)) is None:
                unaligned += 1
            else:
                chosen.append((connection, subflow, found))
    laid = [found for _, _, found in chosen]
    sent, arrived = columns.at_sender(laid), columns.at_receiver(laid)
    matches = match(sent, arrived)
    judged = fates(sent, arrived, matches, _captures(laid))
    clock = _clock(sent, arrived, matches)
    delay_ns, has_delay = _delays(sent, arrived, matches, clock)
    lanes = _WAYS * len(chosen)
    delays = _Delays(delay_ns, has_delay, clock)
    ways = list(_ways(sent, arrived, matches, judged, delays=delays, lanes=lanes))
    received = _arrivals(matches)
    there = received >= 0
    known = _numbers(connections)
    return TwoEnds(
        clock=clock,
        subflows=tuple(
            _subflow(connection, subflow, known, ways[_WAYS * index : _WAYS * index + _WAYS])
            for index, (connection, subflow, _) in enumerate(chosen)
        ),
        crossings=Crossings(
            subflow=sent.lane // _WAYS,
            by_server=sent.lane % _WAYS == 1,
            sent_at_server=sent.at_server,
            sent_frame=sent.frame,
            received_frame=_picked(arrived.frame, received, there),
            sent_ns=sent.time_ns,
            received_ns=_picked(arrived.time_ns, received, there),
            delay_ns=delay_ns,
            has_delay=has_delay,
            payload_bytes=sent.length,
            copy=matches.copy,
            fate=judged.fate,
        ),
        alone_count=alone,
        proxied_count=proxied,
        unaligned_count=unaligned,
        lossy=judged.lossy,
    )


class _Delays:
    """Delays of sent segments, and how sure they are."""

    def __init__(self, value_ns: Column, known: Column, clock: ClockEstimate | None) -> None:
        self.value_ns = value_ns
        self.known = known
        self.error_ns = (
            None if clock is None else (clock.offset_high_ns - clock.offset_low_ns + 1) // 2
        )


def _captures(laid: Sequence[Aligned]) -> dict[Side, Capture]:
    halves = (
        half for found in laid[:1] for lane in found.lanes for half in (lane.sent, lane.received)
    )
    return {half.side: half.capture for half in halves if half is not None}


def _arrivals(matches: Matches) -> Column:
    """Return for each sent segment the arrival of its first byte, -1 without one."""
    return np.where(matches.received >= 0, matches.received, matches.first_byte)


def _picked(column: Column, index: Column, there: Column) -> Column:
    return np.where(there, column[index], 0) if len(column) else np.zeros(len(index), np.int64)


def _clock(sent: Segments, arrived: Segments, matches: Matches) -> ClockEstimate | None:
    received = _arrivals(matches)
    sure = np.flatnonzero(matches.sure | (matches.first_byte >= 0))
    received_ns = arrived.time_ns[received[sure]]
    return clocks.estimate(sent.time_ns[sure], received_ns, sent.at_server[sure])


def _delays(
    sent: Segments, arrived: Segments, matches: Matches, clock: ClockEstimate | None
) -> tuple[Column, Column]:
    """Return the delay of each sent segment, and where it has one."""
    there = matches.sure | (matches.first_byte >= 0)
    received_ns = _picked(arrived.time_ns, _arrivals(matches), there)
    delay_ns = np.where(there, received_ns - sent.time_ns, 0)
    if clock is not None:
        client_ns = np.where(sent.at_server, received_ns, sent.time_ns)
        ahead_ns = clocks.ahead_ns(clock, client_ns)
        delay_ns += np.where(there, np.where(sent.at_server, ahead_ns, -ahead_ns), 0)
    return delay_ns, there


def _ways(
    sent: Segments,
    arrived: Segments,
    matches: Matches,
    judged: Fates,
    *,
    delays: _Delays,
    lanes: int,
) -> Iterator[WayMetrics]:
    fate, lane = judged.fate, sent.lane
    lost = fate == Fate.LOST

    def count(chosen: Column, of: Column = lane) -> list[int]:
        return [int(n) for n in np.bincount(of[chosen], minlength=lanes)]

    split = fate == Fate.RESIZED
    kept = np.bincount(lane[split], weights=sent.length[split], minlength=lanes)
    kept -= np.bincount(
        arrived.lane[judged.merged], weights=arrived.length[judged.merged], minlength=lanes
    )
    by_fate = {each: count(fate == each) for each in Fate}
    runs = variation.loss_runs(lane, lost, lanes)
    came = np.flatnonzero((matches.sent >= 0) & ~matches.duplicate)
    order = variation.reordering(arrived.lane[came], matches.sent[came], lanes)
    own, value_ns = lane[delays.known], delays.value_ns[delays.known]
    least = np.full(lanes, np.iinfo(np.int64).max)
    np.minimum.at(least, own, value_ns)
    varying = variation.spreads(own, value_ns - least[own], lanes)
    apart = variation.spreads(*variation.consecutive(lane, delays.value_ns, delays.known), lanes)
    sent_count, duplicates = count(fate >= 0), count(matches.duplicate, arrived.lane)
    unsent = count(judged.unsent, arrived.lane)
    lost_data, again = count(lost & (sent.length > 0)), count(lost & (matches.copy > 0))
    for index in range(lanes):
        lost_here = by_fate[Fate.LOST][index]
        there = by_fate[Fate.ARRIVED][index] + by_fate[Fate.DROPPED_BY_HOST][index]
        known = varying[index].count > 0
        yield WayMetrics(
            sent_count=sent_count[index],
            arrived_count=there,
            lost_count=lost_here,
            lost_data_count=lost_data[index],
            lost_again_count=again[index],
            dropped_by_host_count=by_fate[Fate.DROPPED_BY_HOST][index],
            not_captured_count=by_fate[Fate.NOT_CAPTURED][index],
            resized_count=by_fate[Fate.RESIZED][index],
            resized_lost_bytes=max(int(kept[index]), 0),
            not_observed_count=by_fate[Fate.NOT_OBSERVED][index],
            unknown_count=by_fate[Fate.UNKNOWN][index],
            unsent_count=unsent[index],
            duplicate_count=duplicates[index],
            reordered_count=int(order.count[index]),
            reordering_extent_max_count=int(order.extent_max_count[index]),
            loss_ratio=lost_here / (lost_here + there) if lost_here + there else None,
            loss_period_count=int(runs.period_count[index]),
            loss_run_max_count=int(runs.longest_count[index]),
            loss_distance_median_count=int(runs.distance_median_count[index]) or None,
            delay_min_ns=int(least[index]) if known else None,
            delay_error_ns=delays.error_ns if known else None,
            variation=varying[index],
            consecutive=apart[index],
        )


def _subflow(
    connection: PairedConnection, subflow: PairedSubflow, known: Numbers, ways: Sequence[WayMetrics]
) -> SubflowWays:
    shown = subflow.views[connection.client_side]
    return SubflowWays(
        connection=connection.id,
        subflow=subflow.id,
        role=subflow.role,
        client=shown.client,
        server=shown.server,
        numbers={side: known[_key(side, view)] for side, view in subflow.views.items()},
        c2s=ways[0],
        s2c=ways[1],
    )


def _numbers(connections: Sequence[PairedConnection]) -> Numbers:
    return {
        _key(side, subflow): (connection.id, subflow.id)
        for paired in connections
        for side, views in paired.views.items()
        for connection in views
        for subflow in connection.subflows
    }


def _key(side: Side, view: Subflow) -> tuple[Side, int]:
    """Return what names a subflow of a capture: no segment belongs to two."""
    return side, int(np.concatenate((view.rows_c2s, view.rows_s2c)).min())
