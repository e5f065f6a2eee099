"""Follow MPTCP options through all segments after the SYNs, and say where they were taken out."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import KIND_MPTCP, Flag, Subtype
from mptcp_check.analysis.field_changes import comparable_lanes, surely_one
from mptcp_check.analysis.pairing.crossed_headers import option
from mptcp_check.analysis.pairing.mptcp_options import options_of
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow

_SUBTYPES: Final = 16


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
        bits = sum(1 << subtype for subtype in wanted)
        return np.asarray((self.subtypes & bits) != 0)


def removals(connection: PairedConnection) -> list[Removal]:
    """Return the lanes of a connection on which MPTCP options can be followed."""
    return [
        found
        for subflow, lane in comparable_lanes(connection)
        if lane.sent is not None and lane.received is not None
        for found in [_follow(subflow, lane, lane.sent, lane.received)]
        if len(found.sent_rows)
    ]


def _follow(subflow: PairedSubflow, lane: Lane, sent: Half, received: Half) -> Removal:
    rows = option(lane, KIND_MPTCP, least=surely_one(lane))
    packets = sent.capture.packets
    after_syn = (packets.flags[rows.sent] & (Flag.SYN | Flag.RST)) == 0
    carried = np.flatnonzero(after_syn & (rows.before_bytes >= 0))
    sent_rows = np.asarray(rows.sent[carried])
    return Removal(
        subflow=subflow,
        lane=lane,
        sent=sent,
        received=received,
        sent_rows=sent_rows,
        received_rows=np.asarray(rows.received[carried]),
        removed=np.asarray(rows.after_bytes[carried] < 0),
        subtypes=_subtypes(sent, sent_rows),
    )


def _subtypes(half: Half, rows: Column) -> Column:
    """Return the subtypes of each row's MPTCP options as bits."""
    packets = half.capture.packets
    bits = np.zeros(len(rows), dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    for table, subtype in (
        (packets.dss, None),
        (packets.signals, packets.signals.subtype),
    ):
        own = options_of(table.packet, ordered)
        places = order[np.searchsorted(ordered, table.packet[own])]
        shifts = (
            np.full(len(own), int(Subtype.DSS))
            if subtype is None
            else subtype[own].astype(np.int64) % _SUBTYPES
        )
        np.bitwise_or.at(bits, places, np.int64(1) << shifts)
    return bits
