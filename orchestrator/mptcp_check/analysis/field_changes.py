"""Judge by one header field of segments that surely are the same at both ends.

A field that differs in such a segment was changed on the way: neither loss nor reordering nor a
retransmission does that.  So one segment is enough, and each detector only says which field it
looks at and which differences count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.crossed_headers import BeforeAfter, column
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

Counts = Callable[[BeforeAfter], Column]
"""Says of each crossed segment whether it counts: a column of bools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What a detector of a changed header field looks at."""

    column: str
    """A column of `crossed_headers.column`."""
    relevant: Counts
    """Segments that can show the behaviour at all."""
    changed: Counts
    """Those of them that do."""
    nothing: str
    """Why nothing can be said where no segment is relevant: completes 'not measured: ...'."""
    sentence: str
    """With ``{sender}``, ``{receiver}``, ``{before}``, ``{after}``, ``{segments}``."""
    flags: int = 0
    """With ``mask``: only segments whose flags under it are these."""
    mask: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Compared:
    """One lane's segments, compared."""

    subflow: PairedSubflow
    lane: Lane
    rows: BeforeAfter
    relevant: Column
    changed: Column


def judge(verdict: Verdict, connection: PairedConnection, rule: FieldRule) -> Finding:
    """Say whether a field arrived changed.

    Returns:
        ``SEEN`` with the first changed segment's frames and the measures ``before``, ``after``,
        ``segments_altered``, ``segments_compared``; ``NOT_SEEN`` with ``segments_compared``.
    """
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = comparable_lanes(connection)
    if not lanes:
        return verdict.not_measured(
            TWO_CONNECTIONS
            if any(not subflow.is_one_connection for subflow in connection.subflows)
            else "no subflow is in both captures"
        )
    compared = [_compare(subflow, lane, rule) for subflow, lane in lanes]
    total = sum(int(one.relevant.sum()) for one in compared)
    hits = [one for one in compared if one.changed.any()]
    if hits:
        return _seen(verdict, rule, hits, total)
    if not total:
        return verdict.not_measured(rule.nothing)
    return verdict.not_seen(
        f"unchanged in {counted(total, 'segment')} compared",
        measures={"segments_compared": total},
    )


def comparable_lanes(connection: PairedConnection) -> list[tuple[PairedSubflow, Lane]]:
    """Return the lanes that both captures hold of subflows that are one TCP connection."""
    return [
        (subflow, lane)
        for subflow in connection.subflows
        if subflow.is_one_connection
        for lane in subflow.lanes.values()
        if lane.sent is not None and lane.received is not None
    ]


def surely_one(lane: Lane) -> MatchedBy:
    """Return how strong a match of two segments must be before a difference accuses the path.

    That there is no other candidate means something only where both captures are whole: without a
    SYN, or with holes, the other candidate may be what was not captured.
    """
    whole = all(
        half is not None and half.isn is not None for half in (lane.sent, lane.received)
    ) and not any(loss is not None and loss.any for loss in (lane.sent_loss, lane.received_loss))
    return MatchedBy.ALONE if whole else MatchedBy.FIELDS


def _compare(subflow: PairedSubflow, lane: Lane, rule: FieldRule) -> _Compared:
    rows = column(lane, rule.column, least=surely_one(lane), flags=rule.flags, mask=rule.mask)
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


def anything(rows: BeforeAfter) -> Column:
    """Count every crossed segment."""
    return np.ones(len(rows.sent), dtype=bool)


def differing(rows: BeforeAfter) -> Column:
    """Count every difference."""
    return np.asarray(rows.differ)
