"""A path stops forwarding in the middle of a connection."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.fates import LOST, PASSED, in_vain
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, receiver, sender
from mptcp_check.model import Direction, Finding

ID = "path_blackholed"

_LEAST_LOST: Final = 5
"""At 5 % loss five in a row are one case in three million."""
_LEAST_NS: Final = 400_000_000
"""Twice Linux's shortest retransmission timeout: a burst that overflows a queue is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dead:
    """A lane on which nothing passed any more."""

    subflow: PairedSubflow
    lane: Lane
    sent: Half
    last_passed: int
    lost: tuple[int, ...]
    silence_ns: int
    """From the first segment in vain to the last one."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether a lane carried data and then, from some segment on, nothing at all.

    Whatever was sent after it vanished, retransmissions and bare ACKs too, for longer than a
    retransmission timeout (RFC 6298, section 2.4; Linux's is 200 ms at least).

    Limits: the last segments of a connection that ends with its path are few, and say nothing.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the last segment that passed, the first ones in vain, and the measures
        ``segments_lost``, ``silence_ns``; ``NOT_SEEN`` if something passed after each loss.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    looked = False
    dead = []
    for subflow in connection.subflows:
        for lane in subflow.lanes.values():
            if lane.sent is None or lane.received is None or not len(lane.sent.rows):
                continue
            looked = True
            found = _dead(subflow, lane, lane.sent)
            if found is not None:
                dead.append(found)
    if not looked:
        return verdict.not_measured("no subflow is in both captures")
    if not dead:
        return verdict.not_seen("on every path something passed to the end")
    first = min(dead, key=lambda d: int(d.sent.capture.packets.time_ns[d.lost[0]]))
    lane = first.lane
    directions = {d.lane.direction for d in dead if d.subflow is first.subflow}
    total = sum(len(d.lost) for d in dead)
    return verdict.seen(
        f"after frame {first.sent.frame(first.last_passed)} nothing that the {sender(lane)} sent"
        f" reached the {receiver(lane)}: {counted(len(first.lost), 'segment')} in"
        f" {first.silence_ns / 1e9:.2f} s",
        subflow=first.subflow,
        direction=lane.direction if len(directions) == 1 else Direction.BOTH,
        evidence=in_vain(lane, first.lost, first.last_passed),
        measures={"segments_lost": total, "silence_ns": first.silence_ns},
    )


def _dead(subflow: PairedSubflow, lane: Lane, sent: Half) -> _Dead | None:
    fates, packets = lane.crossing.fates, sent.capture.packets
    if PASSED[fates[-1]]:  # the common case, told at once
        return None
    passed = np.flatnonzero(PASSED[fates])
    carried = packets.payload_bytes[sent.rows[passed]] > 0
    if not len(passed) or not (carried.any() or _carried_back(lane)):
        return None
    last = int(passed[-1])
    lost = sent.rows[last + 1 :][LOST[fates[last + 1 :]]]
    if len(lost) < _LEAST_LOST:
        return None
    times = packets.time_ns[lost]
    silence_ns = int(times[-1] - times[0])
    if silence_ns < _LEAST_NS:
        return None
    return _Dead(
        subflow=subflow,
        lane=lane,
        sent=sent,
        last_passed=int(sent.rows[last]),
        lost=tuple(lost.tolist()),
        silence_ns=silence_ns,
    )


def _carried_back(lane: Lane) -> bool:
    """Say whether the lane acknowledged data: a path of bare ACKs can die in mid-stream as well."""
    half = lane.sent
    if half is None:
        return False
    acks = half.capture.packets.ack[half.rows]
    return len(np.unique(acks)) > 2  # noqa: PLR2004 - none, the SYN's, and then data's
