"""A middlebox holds data back that follows a hole in the sequence numbers."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.fates import LOST, anything_lost
from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    direction_of,
)
from mptcp_check.analysis.pairing.lane_crossing import NOWHERE
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "hole_blocked"

_LEAST_SEGMENTS: Final = 2
_LEAST_HOLES: Final = 2
"""Several holes make it sure; one may be a pause of the path."""
_LEAST_HELD_NS: Final = 5_000_000
_AT_ONCE_NS: Final = 5_000_000
"""The first that was held comes out within this time of the filled hole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hole:
    """A lost segment with the data after it that came only with its retransmission."""

    subflow: PairedSubflow
    lane: Lane
    lost: int
    """Row of the sender's capture."""
    held: tuple[tuple[int, int], ...]
    """(sent, received) rows."""
    held_ns: int
    """How much longer than usual the first of them took."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether data that follows a lost segment waits until that segment was sent again.

    Boxes that reassemble the stream do it (Honda et al., IMC 2011, section 4.3).  A subflow that
    leaves out bytes which another one carried would stall; Multipath TCP sends every byte on the
    subflow it mapped it to for this reason (RFC 8684, section 3.3).

    Limits: it shows only where segments were lost between the sender and the box, and others
    followed at once.  Delays are compared with the lane's shortest, so clocks need not agree.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with a lost segment, one that was held, and the measures ``holes``,
        ``segments_held``, ``held_ns``; ``NOT_SEEN`` if data passed while a hole was open.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = connection.comparable_lanes
    if not lanes:
        return verdict.not_measured(TWO_CONNECTIONS)
    passed_by, blocked = 0, []
    for subflow, lane in lanes:
        if lane.sent is None or lane.received is None:
            continue
        open_, held = _holes(subflow, lane, lane.sent, lane.received)
        passed_by += open_
        # what is lost behind the box leaves a hole that it knows nothing of
        blocked += held if len(held) > open_ else []
    if blocked:
        first = blocked[0]
        lane = first.lane
        sent, received = first.held[0]
        segments = sum(len(hole.held) for hole in blocked)
        return verdict.seen(
            f"{counted(segments, 'segment')} of the {sender(lane)} after a lost one reached the"
            f" {receiver(lane)} only when the lost one had been sent again,"
            f" {first.held_ns / 1e6:.1f} ms late",
            subflow=first.subflow,
            direction=direction_of([hole.lane for hole in blocked]),
            evidence=frames((lane.sent, first.lost), (lane.sent, sent), (lane.received, received)),
            confidence=Confidence.CONFIRMED if len(blocked) >= _LEAST_HOLES else Confidence.LIKELY,
            measures={"holes": len(blocked), "segments_held": segments, "held_ns": first.held_ns},
        )
    if not passed_by:
        return verdict.not_measured("no data followed a segment that was lost on the way")
    return verdict.not_seen(
        f"data passed while {counted(passed_by, 'hole')} {'was' if passed_by == 1 else 'were'} open"
    )


def _holes(
    subflow: PairedSubflow, lane: Lane, sent: Half, received: Half
) -> tuple[int, list[_Hole]]:
    """Return how many holes data passed by, and those at which it was held."""
    if not anything_lost(lane):
        return 0, []
    gone = LOST[lane.crossing.fates]
    at_receiver = lane.crossing.at_sender
    carries = sent.ends > sent.starts
    lost = np.flatnonzero(carries & gone)
    times, arrivals = _times(sent, received, at_receiver)
    crossed = carries & (at_receiver != NOWHERE)
    delays = arrivals - times
    usual_ns = int(delays[crossed].min(initial=np.iinfo(np.int64).max))
    open_, blocked = 0, []
    for at in lost.tolist():
        again = np.flatnonzero(
            crossed & (sent.starts <= sent.starts[at]) & (sent.ends > sent.starts[at])
        )
        if not len(again) or (times[again] < times[at]).any():
            continue  # never filled, or never open: an earlier copy of the bytes arrived
        filled_ns = int(arrivals[again[0]])
        after = np.flatnonzero(
            crossed
            & (sent.starts >= sent.ends[at])
            & (times > times[at])
            & (times < times[again[0]])
        )
        if len(after) < _LEAST_SEGMENTS:
            continue
        late = delays[after] - usual_ns
        # the rest comes as fast as the path behind the box takes it
        first_ns = int(arrivals[after].min())
        held = filled_ns <= first_ns <= filled_ns + _AT_ONCE_NS
        if held and int(late.min()) > _LEAST_HELD_NS:
            rows = zip(sent.rows[after].tolist(), at_receiver[after].tolist(), strict=True)
            blocked.append(
                _Hole(
                    subflow=subflow,
                    lane=lane,
                    lost=int(sent.rows[at]),
                    held=tuple(rows),
                    held_ns=int(late[0]),
                )
            )
        elif (arrivals[after] < filled_ns).any():
            open_ += 1
    return open_, blocked


def _times(sent: Half, received: Half, at_receiver: Column) -> tuple[Column, Column]:
    """Return when each segment was sent and when it arrived, 0 for those that did not."""
    times = sent.capture.packets.time_ns[sent.rows]
    known = np.maximum(at_receiver, 0)
    arrived = received.capture.packets.time_ns[known]
    return times, np.where(at_receiver != NOWHERE, arrived, 0)
