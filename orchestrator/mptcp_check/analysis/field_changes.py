"""Judge by one header field of segments that surely are the same at both ends.

A field that differs in such a segment was changed on the way: neither loss nor reordering nor a
retransmission does that.  So one segment is enough, and each detector only says which field it
looks at and which differences count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.crossed_headers import BeforeAfter, column
from mptcp_check.analysis.pairing.header_columns import header_column
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.paired import (
    Half,
    Lane,
    MatchedBy,
    PairedConnection,
    PairedSubflow,
)
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Direction, Finding

ONE_CAPTURE: Final = "one capture does not show both what was sent and what arrived"
TWO_CONNECTIONS: Final = (
    "the two ends see two TCP connections, so their segments cannot be compared one by one"
)

Chosen = Callable[[BeforeAfter], Column]
"""Says of each crossed segment whether it counts, looking at no other one: a column of bools."""


def anything(rows: BeforeAfter) -> Column:
    """Count every crossed segment."""
    return np.ones(len(rows.sent), dtype=bool)


def differing(rows: BeforeAfter) -> Column:
    """Count every difference."""
    return np.asarray(rows.differ)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FieldChange:
    """Which changes of a header field count."""

    column: str
    """A column of `crossed_headers.column`."""
    relevant: Chosen = anything
    """Segments that can show the behaviour at all."""
    changed: Chosen = differing
    """Those of them that do."""
    flags: int = 0
    """With ``mask``: only segments whose flags under it are these."""
    mask: int = 0
    agreeing: bool = False
    """Only segments of which every identifying field agrees: for a field in which two bare ACKs
    that are not the same one may differ as well."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FieldRule(FieldChange):
    """What a detector of a changed header field looks at, and its words."""

    nothing: str
    """Why nothing can be said where no segment is relevant: completes 'not measured: ...'."""
    sentence: str
    """With ``{sender}``, ``{receiver}``, ``{before}``, ``{after}``, ``{segments}``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Compared:
    """One lane's segments, compared."""

    subflow: PairedSubflow
    lane: Lane
    rows: BeforeAfter
    relevant: Column
    changed: Column


def judge(
    verdict: Verdict,
    connection: PairedConnection,
    rule: FieldRule,
    *,
    lanes: Sequence[tuple[PairedSubflow, Lane]] = (),
) -> Finding:
    """Say whether a field arrived changed.

    Args:
        verdict: The detector's voice.
        connection: At both ends, or at one.
        rule: What to look at.
        lanes: Only these; none are all of the connection's that can be compared.

    Returns:
        ``SEEN`` with the first changed segment's frames and the measures ``before``, ``after``,
        ``segments_altered``, ``segments_compared``; ``NOT_SEEN`` with ``segments_compared``.
    """
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = lanes or connection.comparable_lanes
    if not lanes:
        return verdict.not_measured(
            TWO_CONNECTIONS
            if any(not subflow.is_one_connection for subflow in connection.subflows)
            else "no subflow is in both captures"
        )
    counts = [counted_on(lane, rule) for _, lane in lanes]
    total = sum(relevant for relevant, _ in counts)
    if any(changed for _, changed in counts):
        compared = [_compare(subflow, lane, rule) for subflow, lane in lanes]
        return _seen(verdict, rule, [one for one in compared if one.changed.any()], total)
    if not total:
        return verdict.not_measured(rule.nothing)
    return verdict.not_seen(
        f"unchanged in {counted(total, 'segment')} compared",
        measures={"segments_compared": total},
    )


def surely_one(lane: Lane) -> MatchedBy:
    """Return how strong a match of two segments must be before a difference accuses the path."""
    if lane.table is None:
        return MatchedBy.FIELDS
    return MatchedBy(int(lane.table.least[lane.number]))


@cache
def counter(rule: FieldChange) -> Callable[[LaneTable], list[tuple[int, int]]]:
    """Return what counts a rule's segments for a whole table, for `LaneTable.once`."""

    def count(table: LaneTable) -> list[tuple[int, int]]:
        sent, received, lane = table.agreeing if rule.agreeing else table.sure
        if rule.mask:
            chosen = (table.here.capture.packets.flags[sent] & rule.mask) == rule.flags
            sent, received, lane = sent[chosen], received[chosen], lane[chosen]
        rows = BeforeAfter(
            sent=sent,
            received=received,
            before=header_column(table.here, rule.column, sent),
            after=header_column(table.there, rule.column, received),
        )
        relevant = rule.relevant(rows)
        changed = relevant & rule.changed(rows)
        counts = [np.bincount(lane[kept], minlength=len(table)) for kept in (relevant, changed)]
        return list(zip(*(column.tolist() for column in counts), strict=True))

    return count


def counted_on(lane: Lane, rule: FieldChange) -> tuple[int, int]:
    """Return how many segments of a lane are relevant to a rule, and how many changed."""
    if lane.table is None:
        return 0, 0
    return lane.table.once(counter(rule))[lane.number]


def _compare(subflow: PairedSubflow, lane: Lane, rule: FieldRule) -> _Compared:
    least = MatchedBy.FIELDS if rule.agreeing else surely_one(lane)
    rows = column(lane, rule.column, least=least, flags=rule.flags, mask=rule.mask)
    relevant = rule.relevant(rows)
    return _Compared(
        subflow=subflow,
        lane=lane,
        rows=rows,
        relevant=relevant,
        changed=np.asarray(relevant & rule.changed(rows)),
    )


def _seen(verdict: Verdict, rule: FieldRule, hits: Sequence[_Compared], total: int) -> Finding:
    altered = sum(int(one.changed.sum()) for one in hits)
    first = min(hits, key=_first_ns)
    at = int(np.flatnonzero(first.changed)[0])
    rows, lane = first.rows, first.lane
    before, after = int(rows.before[at]), int(rows.after[at])
    sentence = rule.sentence.format(
        sender=sender(lane),
        receiver=receiver(lane),
        before=before,
        after=after,
        segments=counted(altered, "segment"),
    )
    return verdict.seen(
        sentence,
        subflow=first.subflow,
        direction=direction_of([one.lane for one in hits]),
        evidence=frames((lane.sent, int(rows.sent[at])), (lane.received, int(rows.received[at]))),
        measures={
            "before": before,
            "after": after,
            "segments_altered": altered,
            "segments_compared": total,
        },
    )


def direction_of(lanes: Sequence[Lane]) -> Direction:
    """Return the direction of some lanes, or both."""
    directions = {lane.direction for lane in lanes}
    return directions.pop() if len(directions) == 1 else Direction.BOTH


def _first_ns(compared: _Compared) -> int:
    """Return when the first changed segment was sent, by its sender's clock.

    Clocks of two machines are compared only to choose an example among several.
    """
    at = int(np.flatnonzero(compared.changed)[0])
    half: Half | None = compared.lane.sent
    return 0 if half is None else int(half.capture.packets.time_ns[compared.rows.sent[at]])
