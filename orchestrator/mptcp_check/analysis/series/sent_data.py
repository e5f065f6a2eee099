"""Where in the data each segment's payload belongs, and whether it was there before."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.series.coverage import fresh_and_foreign, fresh_bytes
from mptcp_check.analysis.series.lanes import Lane
from mptcp_check.analysis.series.mappings import Mappings
from mptcp_check.analysis.series.values import Sending, SentData

MOST_PIECES: Final = 64
"""Mappings within one segment that are looked at; a real one has one or two.

Without a limit a forged capture of a megabyte could ask for gigabytes.
"""


def sent_data(lanes: Sequence[Lane], mappings: Sequence[Mappings]) -> tuple[SentData, int]:
    """Place the payload of all lanes of a direction.

    Returns:
        The pieces in the order of time, and how many payload bytes no mapping covers.
    """
    parts = [_pieces(lane, own) for lane, own in zip(lanes, mappings, strict=True)]
    time_ns, row, start, end, subflow, again = (
        np.concatenate([part[column] for part in parts]) for column in range(6)
    )
    order = np.lexsort((start, row, time_ns))
    start, end = start[order], end[order]
    fresh, foreign = fresh_and_foreign(start, end, subflow[order])
    sending = np.where(foreign, Sending.REINJECTED, Sending.REPEATED).astype(np.uint8)
    sending[again[order].astype(np.bool_)] = Sending.RETRANSMITTED
    sending[fresh == end - start] = Sending.NEW
    payload = sum(int((lane.end - lane.start).sum()) for lane in lanes)
    sent = SentData(
        time_ns=time_ns[order],
        row=row[order],
        start=start,
        end=end,
        subflow=subflow[order],
        fresh_bytes=fresh,
        sending=sending,
    )
    return sent, payload - int((end - start).sum())


def _pieces(lane: Lane, mappings: Mappings) -> tuple[Column, ...]:
    """Cut one lane's segments where mappings begin and end.

    Returns:
        Time, row, first and last place in the data, subflow, and 1 for what TCP had sent before.
    """
    carriers = np.flatnonzero(lane.end > lane.start)
    start, end = lane.start[carriers], lane.end[carriers]
    again = fresh_bytes(start, end) < end - start
    low = np.maximum(np.searchsorted(mappings.ssn, start, side="right") - 1, 0)
    high = np.searchsorted(mappings.ssn, end)
    counts = np.clip(high - low, 0, MOST_PIECES)
    segment = np.repeat(np.arange(len(carriers)), counts)
    mapping = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts - low, counts)
    first = np.maximum(start[segment], mappings.ssn[mapping])
    last = np.minimum(end[segment], mappings.end[mapping])
    kept = last > first
    segment, mapping, first, last = segment[kept], mapping[kept], first[kept], last[kept]
    shift = mappings.dsn[mapping] - mappings.ssn[mapping]
    return (
        lane.time_ns[carriers][segment],
        lane.rows[carriers][segment],
        first + shift,
        last + shift,
        np.full(len(segment), lane.subflow, np.int64),
        again[segment].astype(np.int64),
    )
