"""Follow MPTCP options through all segments after the SYNs, and say where they were taken out."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import KIND_MPTCP, Flag, Subtype
from mptcp_check.analysis.pairing.header_columns import option_places
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.mptcp_options import bits_of, subtypes
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Removal:
    """What became of MPTCP options on one lane, SYNs left out; columns in the order of sending."""

    subflow: PairedSubflow
    lane: Lane
    sent: Half
    received: Half
    sent_rows: Column
    """Segments that were sent with an MPTCP option and arrived, with it or without."""
    received_rows: Column
    removed: Column
    """Which of them arrived without any."""
    subtypes: Column
    """Bit s is set if the segment was sent with an option of subtype s."""

    def of(self, *wanted: Subtype) -> Column:
        """Say which segments were sent with an option of one of some subtypes."""
        return np.asarray((self.subtypes & bits_of(*wanted)) != 0)


class _Followed(NamedTuple):
    """The same for all lanes of a table; the segments of lane n are those in its run."""

    sent: Column
    received: Column
    removed: Column
    subtypes: Column
    runs: Column
    """int64: lane n has the segments from ``runs[n]`` up to ``runs[n + 1]``."""


def removals(connection: PairedConnection) -> list[Removal]:
    """Return the lanes of a connection on which MPTCP options can be followed."""
    return [
        found
        for subflow, lane in connection.comparable_lanes
        if (found := _of_lane(subflow, lane)) is not None
    ]


def _of_lane(subflow: PairedSubflow, lane: Lane) -> Removal | None:
    if lane.table is None or lane.sent is None or lane.received is None:
        return None
    every = lane.table.once(_follow)
    own = slice(int(every.runs[lane.number]), int(every.runs[lane.number + 1]))
    if own.start == own.stop:
        return None
    return Removal(
        subflow=subflow,
        lane=lane,
        sent=lane.sent,
        received=lane.received,
        sent_rows=every.sent[own],
        received_rows=every.received[own],
        removed=every.removed[own],
        subtypes=every.subtypes[own],
    )


def _follow(table: LaneTable) -> _Followed:
    sent, received, lane = table.sure
    packets = table.here.capture.packets
    before = option_places(table.here, KIND_MPTCP).length[table.here.position_of[sent]]
    after = option_places(table.there, KIND_MPTCP).length[table.there.position_of[received]]
    after_syn = (packets.flags[sent] & (Flag.SYN | Flag.RST)) == 0
    carried = np.flatnonzero(after_syn & (before >= 0))
    return _Followed(
        sent=sent[carried],
        received=received[carried],
        removed=np.asarray(after[carried] < 0),
        subtypes=table.here.once(subtypes)[sent[carried]],
        runs=np.searchsorted(lane[carried], np.arange(len(table) + 1)),
    )
