"""Acknowledgement numbers that were changed on the way, other than with the stream they are for."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import (
    FieldChange,
    counted_on,
    surely_one,
)
from mptcp_check.analysis.pairing.crossed_headers import BeforeAfter, column
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.paired import BACK, Lane, PairedConnection, PairedSubflow

_ACK: Final = int(Flag.ACK)
_SPACE: Final = 1 << 32
_HALF: Final = _SPACE >> 1
_MOVED: Final = FieldChange(column="ack", flags=_ACK, mask=_ACK)
"""Tells at once which lanes are worth a look."""
_NOTHING: Final = np.empty(0, np.int64)
_NO_ROWS: Final = BeforeAfter(sent=_NOTHING, received=_NOTHING, before=_NOTHING, after=_NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Acknowledgements:
    """The acknowledgements of one lane at both ends."""

    subflow: PairedSubflow
    lane: Lane
    compared_count: int
    """Acknowledgements that both captures hold."""
    rows: BeforeAfter
    """All of them, or none where they are equal at both ends or moved by a constant."""
    raised: Column
    """Which of them arrived for more than they were sent for: a promise that is not the host's."""
    lowered: Column
    """Which of them arrived for less."""


def acknowledgements(connection: PairedConnection) -> list[Acknowledgements]:
    """Return the lanes on which acknowledgements can be compared.

    What moves all of them alike is a constant added to the numbers they are for; a stream whose
    length was changed moves them in steps, and is left out.
    """
    return [
        _compared(subflow, lane)
        for subflow, lane in connection.comparable_lanes
        if not subflow.lanes[BACK[lane.direction]].resized
    ]


def _moves_alike(table: LaneTable) -> list[bool]:
    """Say of each lane whether all its acknowledgements moved by one and the same number."""
    sent, received, lane = table.sure
    near, far = table.here.capture.packets, table.there.capture.packets
    with_ack = (near.flags[sent] & _ACK) != 0
    sent, received, lane = sent[with_ack], received[with_ack], lane[with_ack]
    moved = (far.ack[received].astype(np.int64) - near.ack[sent]) % _SPACE
    first = np.searchsorted(lane, lane)  # lanes follow each other
    differing_counts = np.bincount(lane[moved != moved[first]], minlength=len(table))
    return [count == 0 for count in differing_counts.tolist()]


def _compared(subflow: PairedSubflow, lane: Lane) -> Acknowledgements:
    compared_count, differing_count = counted_on(lane, _MOVED)
    if not differing_count or lane.table is None or lane.table.once(_moves_alike)[lane.number]:
        return Acknowledgements(
            subflow=subflow,
            lane=lane,
            compared_count=compared_count,
            rows=_NO_ROWS,
            raised=_NOTHING,
            lowered=_NOTHING,
        )
    rows = column(lane, "ack", least=surely_one(lane), flags=_ACK, mask=_ACK)
    moved = (rows.after.astype(np.int64) - rows.before.astype(np.int64)) % _SPACE
    values, counts = np.unique(moved, return_counts=True)
    constant = int(values[counts.argmax()]) if len(values) else 0
    rest = (moved - constant) % _SPACE
    return Acknowledgements(
        subflow=subflow,
        lane=lane,
        compared_count=compared_count,
        rows=rows,
        raised=np.flatnonzero((rest > 0) & (rest < _HALF)),
        lowered=np.flatnonzero(rest >= _HALF),
    )
