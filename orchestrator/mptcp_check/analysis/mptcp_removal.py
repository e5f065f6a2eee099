"""Follow MPTCP options through all segments after the SYNs, and say where they were taken out."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import KIND_MPTCP, Flag, Subtype
from mptcp_check.analysis.pairing.header_columns import option_places, options_whole
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


class Followed(NamedTuple):
    """The same for all lanes of a table; the segments of lane n are those in its run."""

    lane: Column
    """int64: the lane of each segment."""

    sent: Column
    received: Column
    removed: Column
    subtypes: Column
    runs: list[int]
    """Lane n has the segments from ``runs[n]`` up to ``runs[n + 1]``."""
    every_subtype: list[int]
    """One per lane: the bits of all its segments."""


def removals(connection: PairedConnection, *wanted: Subtype) -> list[Removal]:
    """Return the lanes of a connection on which options of some subtypes can be followed."""
    bits = bits_of(*wanted)
    return [
        found
        for subflow, lane in connection.comparable_lanes
        if (found := _of_lane(subflow, lane, bits)) is not None
    ]


def _of_lane(subflow: PairedSubflow, lane: Lane, bits: int) -> Removal | None:
    if lane.table is None or lane.sent is None or lane.received is None:
        return None
    every = lane.table.once(follow)
    if not every.every_subtype[lane.number] & bits:
        return None
    own = slice(every.runs[lane.number], every.runs[lane.number + 1])
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


def follow(table: LaneTable) -> Followed:
    """Follow the options of all lanes, for `LaneTable.once`."""
    sent, received, lane = table.sure
    packets = table.here.capture.packets
    before = option_places(table.here, KIND_MPTCP).length[table.here.position_of[sent]]
    there = table.there.position_of[received]
    after = option_places(table.there, KIND_MPTCP).length[there]
    after_syn = (packets.flags[sent] & (Flag.SYN | Flag.RST)) == 0
    told = (after >= 0) | table.there.once(options_whole)[there]
    carried = np.flatnonzero(after_syn & (before >= 0) & told)
    own = table.here.once(subtypes)[sent[carried]]
    every = np.zeros(len(table), np.uint16)
    np.bitwise_or.at(every, lane[carried], own)
    return Followed(
        lane=lane[carried],
        sent=sent[carried],
        received=received[carried],
        removed=np.asarray(after[carried] < 0),
        subtypes=own,
        runs=np.searchsorted(lane[carried], np.arange(len(table) + 1)).tolist(),
        every_subtype=every.tolist(),
    )
