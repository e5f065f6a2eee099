"""How much payload crossed on each lane, counted for all lanes of a table at once."""

from typing import NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.lane_table import LaneTable


class CrossedPayload(NamedTuple):
    """The payload of the segments that crossed; one member per lane."""

    segments: list[int]
    """How many carry any, as they were sent."""
    sent_bytes: list[int]
    captured_bytes: list[int]
    """What of it the receiver's capture holds."""
    altered: list[bool]
    """Whether any has other bytes, or another length, at the two ends."""


def crossed_payload(table: LaneTable) -> CrossedPayload:
    """Count the payload that crossed, for `LaneTable.once`."""
    sent, received, lane = table.crossed
    near, far = table.here.capture.packets, table.there.capture.packets
    before, after = near.payload_bytes[sent], far.payload_bytes[received]
    other = ~table.same_payload | (before != after)
    return CrossedPayload(
        segments=_sums(len(table), lane, before > 0),
        sent_bytes=_sums(len(table), lane, before),
        captured_bytes=_sums(len(table), lane, far.captured_bytes[received]),
        altered=[count > 0 for count in _sums(len(table), lane, other)],
    )


def payload_bytes(table: HalfTable) -> list[int]:
    """Return how much payload each half has, whatever was captured of it."""
    return _sums(len(table), table.half_of, table.payload_bytes)


def missing_bytes(table: HalfTable) -> list[int]:
    """Return how much of each half's payload a snap length cut."""
    captured = table.capture.packets.captured_bytes[table.rows]
    return _sums(len(table), table.half_of, table.payload_bytes - captured)


def _sums(count: int, groups: Column, values: Column) -> list[int]:
    found = np.zeros(count, np.int64)
    np.add.at(found, groups, values.astype(np.int64))
    sums: list[int] = found.tolist()
    return sums
