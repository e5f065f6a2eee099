"""Copies that a path makes of a segment: the sender sent one, two arrive, and neither is forged."""

from collections.abc import Iterable

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.pairing.lane_crossing import Origin
from mptcp_check.analysis.pairing.paired import Half, Lane

Look = tuple[int, int, int, int, bytes]
"""Sequence and acknowledgment number, flags, window, options."""


def without_copies(lane: Lane, received: Half, rows: Column) -> Column:
    """Return those of some segments without payload that equal none that was sent or crossed.

    Which of two equal segments was matched to the one that was sent is chance, or neither was;
    and where a box renumbers what passes, only what crossed looks like its copy.  Equal are
    sequence and acknowledgment number, flags, window and every byte of the options: a box that
    invents a segment does not know the time stamps that the sender will write.

    Args:
        lane: Where they arrived.
        received: The receiver's half of the lane.
        rows: Rows of its capture that the sender's capture does not explain.
    """
    if not len(rows):
        return rows
    packets = received.capture.packets
    crossed = received.rows[lane.crossing.origins == Origin.CROSSED]
    wanted = np.isin(packets.seq[crossed], packets.seq[rows])
    known = set(looks(packets, crossed[wanted].tolist()))
    if lane.sent is not None:
        there, sent = lane.sent.capture.packets, lane.sent.rows
        wanted = np.isin(there.ack[sent], packets.ack[rows])
        known |= set(looks(there, sent[wanted].tolist()))
    fresh = [look not in known for look in looks(packets, rows.tolist())]
    return np.asarray(rows[np.array(fresh, bool)])


def looks(packets: Packets, rows: Iterable[int]) -> Iterable[Look]:
    """Return what is compared of each of some segments."""
    for row in rows:
        yield (
            int(packets.seq[row]),
            int(packets.ack[row]),
            int(packets.flags[row]),
            int(packets.window[row]),
            packets.option_bytes(row),
        )
