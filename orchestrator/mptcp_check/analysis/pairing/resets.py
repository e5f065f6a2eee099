"""RSTs that reached one end and that the other end never sent."""

import numpy as np

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.alignment import cross
from mptcp_check.analysis.pairing.paired import ClockOffset, Half, Lane
from mptcp_check.analysis.pairing.path_copies import looks


def forged_resets(lane: Lane, clock: ClockOffset | None) -> tuple[int, ...]:
    """Return the rows of the receiver's capture whose RST the sender's capture does not hold.

    A sender's capture that holds nothing of the lane (its SYN never came that far) sent no RST
    either: whether that capture ran at all is for the caller to know, by `PairedConnection`'s
    ``one_sided``.

    Args:
        lane: One direction of a subflow.
        clock: Bounds of the clocks' difference, to tell copies apart.
    """
    received = _rows(lane.received)
    if lane.received is None or lane.sent is None:
        return received
    found = cross(lane, _rows(lane.sent), received, clock)
    packets = lane.received.capture.packets
    known = set(looks(packets, [crossing.received for crossing in found.arrived]))
    looked = zip(found.appeared, looks(packets, found.appeared), strict=True)
    return tuple(row for row, look in looked if look not in known)


def refusal(half: Half | None) -> int | None:
    """Return the row of a RST that is the first thing a half holds: the answer to a SYN.

    Args:
        half: What the opener received from the listener.
    """
    if half is None or not len(half.rows):
        return None
    first = int(half.rows[0])  # the oldest
    return first if int(half.capture.packets.flags[first]) & Flag.RST else None


def _rows(half: Half | None) -> tuple[int, ...]:
    if half is None:
        return ()
    flags = half.capture.packets.flags[half.rows]
    return tuple(int(row) for row in half.rows[np.flatnonzero(flags & Flag.RST)])
