"""Judge by which segments of a lane got through and which did not.

Loss takes segments without looking at them.  A box that drops a kind of segment takes all of that
kind, however often they are sent, while others of the same lane pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.lane_crossing import Fate
from mptcp_check.analysis.pairing.paired import Half, Lane
from mptcp_check.analysis.verdict import frames_of
from mptcp_check.model import Evidence

LEAST_LOST: Final = 3
"""At 5 % loss three out of three are one case in 8000; fewer are chance."""


_LOST_BITS: Final = 1 << Fate.VANISHED | 1 << Fate.SENT_AGAIN
_OUTSIDE_BIT: Final = 1 << Fate.OUTSIDE
_DOUBTFUL_BIT: Final = 1 << Fate.CAPTURE_MAY_HAVE_LOST
_SYN: Final = int(Flag.SYN)
_PLACED: Final = int(Flag.SYN | Flag.FIN)


def _table(*chosen: Fate) -> Column:
    """Return what says of a fate whether it is one of some, looked up by its value."""
    return np.isin(np.arange(max(Fate) + 1), chosen)


PASSED: Final = _table(Fate.CROSSED, Fate.RESEGMENTED, Fate.CAPTURE_MAY_HAVE_LOST)
"""By fate: whether the segment or its bytes got to the other end; ``PASSED[fates]``."""
LOST: Final = _table(Fate.VANISHED, Fate.SENT_AGAIN)
"""By fate: whether this copy did not arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What became of one kind of segment of a lane: rows of the sender's capture, oldest first."""

    passed: Column
    vanished: Column

    @property
    def only_vanished(self) -> bool:
        """Whether enough of them were sent, and none got through."""
        return len(self.vanished) >= LEAST_LOST and not len(self.passed)


def in_vain(lane: Lane, lost: Sequence[int], passed: int) -> tuple[Evidence, ...]:
    """Return the frames of some segments in vain, then of one that passed, at both ends.

    Args:
        lane: Where they were sent.
        lost: Rows of the sender's capture.
        passed: Another one.
    """
    crossing = lane.crossing
    arrived = crossing.received[crossing.sent == passed][:1].tolist()
    return (
        *frames_of(lane.sent, [*lost[:LEAST_LOST], passed]),
        *frames_of(lane.received, arrived),
    )


def anything_lost(lane: Lane) -> bool:
    """Say whether any segment of a lane may have been dropped: the quick question first."""
    crossing = lane.crossing
    if crossing.fate_bits & _LOST_BITS:
        return True
    return bool(crossing.fate_bits & _OUTSIDE_BIT and crossing.fates[0] == Fate.OUTSIDE)


def sort_out(lane: Lane, sent: Half, chosen: Column) -> Sorted:
    """Say what became of some segments.

    Args:
        lane: Of a subflow in both captures.
        sent: Its sender's half.
        chosen: Which of ``sent.rows`` to look at: a column of bools.

    Returns:
        Segments of which nothing is known are in neither, such as ACKs that a capture may have
        lost; those that arrived cut otherwise passed, as did data and SYNs that were acknowledged.
        A copy that did not arrive is among the vanished though its bytes came in another copy, and
        so is a SYN before the one that arrived, even if the other capture has nothing before that:
        a capture that runs at a listener waits for SYNs.
    """
    fates = lane.crossing.fates
    passed, lost = PASSED[fates], LOST[fates]
    if lane.crossing.fate_bits & _DOUBTFUL_BIT:
        packets = sent.capture.packets
        known = (packets.payload_bytes[sent.rows] > 0) | (packets.flags[sent.rows] & _PLACED != 0)
        passed = passed & (known | (fates != Fate.CAPTURE_MAY_HAVE_LOST))
    if lane.crossing.fate_bits & _OUTSIDE_BIT:
        syns = (sent.capture.packets.flags[sent.rows] & _SYN) != 0
        crossed = np.flatnonzero(syns & (fates == Fate.CROSSED))
        before = np.arange(len(fates)) < (crossed[0] if len(crossed) else 0)
        lost |= syns & (fates == Fate.OUTSIDE) & before
    return Sorted(
        passed=np.asarray(sent.rows[chosen & passed]),
        vanished=np.asarray(sent.rows[chosen & lost]),
    )
