"""RSTs that reached one end and that the other end never sent."""

from dataclasses import dataclass

import numpy as np

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.alignment import cross
from mptcp_check.analysis.pairing.paired import ClockOffset, Half, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Resets:
    """The RSTs of one lane."""

    sent: tuple[int, ...]
    """Rows of the sender's capture; the segment may have been lost on the way."""
    forged: tuple[int, ...]
    """Rows of the receiver's capture that the sender's capture holds no RST for."""


def resets(lane: Lane, clock: ClockOffset | None) -> Resets:
    """Tell the RSTs that an end sent from those that only arrived.

    A sender's capture that holds nothing of the lane (its SYN never came that far) sent no RST
    either: whether that capture ran at all is for the caller to know, by `PairedConnection`'s
    ``one_sided``.

    Args:
        lane: One direction of a subflow.
        clock: Bounds of the clocks' difference, to tell copies apart.
    """
    sent, received = _rows(lane.sent), _rows(lane.received)
    if lane.received is None:
        return Resets(sent=sent, forged=())
    if lane.sent is None:
        return Resets(sent=(), forged=received)
    return Resets(sent=sent, forged=cross(lane, sent, received, clock).appeared)


def _rows(half: Half | None) -> tuple[int, ...]:
    if half is None:
        return ()
    flags = half.capture.packets.flags[half.rows]
    return tuple(int(row) for row in half.rows[np.flatnonzero(flags & Flag.RST)])
