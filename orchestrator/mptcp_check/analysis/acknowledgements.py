"""Acknowledgement numbers that were changed on the way, other than with the stream they are for."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import comparable_lanes, surely_one
from mptcp_check.analysis.pairing.crossed_headers import BeforeAfter, column
from mptcp_check.analysis.pairing.paired import BACK, Lane, PairedConnection, PairedSubflow

_ACK: Final = int(Flag.ACK)
_SPACE: Final = 1 << 32
_HALF: Final = _SPACE >> 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Acknowledgements:
    """The acknowledgements of one lane at both ends."""

    subflow: PairedSubflow
    lane: Lane
    rows: BeforeAfter
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
        for subflow, lane in comparable_lanes(connection)
        if not subflow.lanes[BACK[lane.direction]].byte_map.resized
    ]


def _compared(subflow: PairedSubflow, lane: Lane) -> Acknowledgements:
    rows = column(lane, "ack", least=surely_one(lane), flags=_ACK, mask=_ACK)
    moved = (rows.after.astype(np.int64) - rows.before.astype(np.int64)) % _SPACE
    values, counts = np.unique(moved, return_counts=True)
    constant = int(values[counts.argmax()]) if len(values) else 0
    rest = (moved - constant) % _SPACE
    return Acknowledgements(
        subflow=subflow,
        lane=lane,
        rows=rows,
        raised=np.flatnonzero((rest > 0) & (rest < _HALF)),
        lowered=np.flatnonzero(rest >= _HALF),
    )
