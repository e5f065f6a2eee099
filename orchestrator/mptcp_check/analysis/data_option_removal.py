"""Judge whether MPTCP options were removed from data: from the first segment on, or later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.field_changes import ONE_CAPTURE, TWO_CONNECTIONS, direction_of
from mptcp_check.analysis.mptcp_removal import Removal, follow, removals
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.mptcp_options import bits_of
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

_CARRY_DATA: Final = (Subtype.DSS, Subtype.MP_CAPABLE)
"""Options of data and of its acknowledgement; a box that takes ADD_ADDR or MP_JOIN only is another
behaviour's business."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """A lane on which data lost its options."""

    removal: Removal
    first: int
    """Place of the first segment that lost it."""
    kept_before_count: int
    """Segments of data that arrived with their option before that."""
    removed_count: int


def taken(found: Sequence[Removal]) -> list[Taken]:
    """Return the lanes on which options of data were removed."""
    lanes = []
    for removal in found:
        data = removal.of(*_CARRY_DATA)
        lost = np.flatnonzero(data & removal.removed)
        if len(lost):
            first = int(lost[0])
            kept = data[:first] & ~removal.removed[:first]
            lanes.append(
                Taken(
                    removal=removal,
                    first=first,
                    kept_before_count=int(kept.sum()),
                    removed_count=len(lost),
                )
            )
    return lanes


def judge(verdict: Verdict, connection: PairedConnection, *, midstream: bool) -> Finding:
    """Say whether options of data were removed from the first segment on, or from a later one.

    Args:
        verdict: The detector's voice.
        connection: At both ends, or at one.
        midstream: Which of the two is asked.

    Returns:
        ``SEEN`` with the first segment that lost its option and the measures
        ``segments_altered``, ``segments_kept_before``, ``subflows_count``; ``NOT_SEEN`` with
        ``segments_compared``.
    """
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    counts = [
        lane.table.once(_counts)[lane.number]
        for _, lane in connection.comparable_lanes
        if lane.table is not None
    ]
    compared = sum(carried for carried, _ in counts)
    if not compared:
        return verdict.not_measured(
            TWO_CONNECTIONS
            if any(not subflow.is_one_connection for subflow in connection.subflows)
            else "no segment that was sent with a DSS is in both captures"
        )
    lost = removals(connection, *_CARRY_DATA) if any(removed for _, removed in counts) else []
    hits = [one for one in taken(lost) if bool(one.kept_before_count) == midstream]
    if not hits:
        return verdict.not_seen(
            f"{counted(compared, 'segment')} with DSS compared",
            measures={"segments_compared": compared},
        )
    first = min(hits, key=_time_ns)
    removal, lane = first.removal, first.removal.lane
    altered = sum(one.removed_count for one in hits)
    since = (
        f"after {counted(first.kept_before_count, 'segment')} that kept it"
        if midstream
        else "from the first one on"
    )
    evidence = frames(
        (removal.sent, int(removal.sent_rows[first.first])),
        (removal.received, int(removal.received_rows[first.first])),
    )
    return verdict.seen(
        f"{counted(altered, 'segment')} left the {sender(lane)} with DSS and reached the"
        f" {receiver(lane)} without it, {since}",
        subflow=removal.subflow,
        direction=direction_of([one.removal.lane for one in hits]),
        evidence=evidence,
        measures={
            "segments_altered": altered,
            "segments_kept_before": first.kept_before_count,
            "subflows_count": len({one.removal.subflow.id for one in hits}),
        },
    )


def _counts(table: LaneTable) -> list[tuple[int, int]]:
    """Count by lane the segments sent with an option of data, and those that lost it."""
    every = table.once(follow)
    data = (every.subtypes & bits_of(*_CARRY_DATA)) != 0
    counts = [
        np.bincount(every.lane[kept], minlength=len(table)).tolist()
        for kept in (data, data & every.removed)
    ]
    return list(zip(*counts, strict=True))


def _time_ns(one: Taken) -> int:
    row = int(one.removal.sent_rows[one.first])
    return int(one.removal.sent.capture.packets.time_ns[row])
