"""A middlebox adds a constant to sequence numbers."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    FieldChange,
    counted_on,
    direction_of,
    surely_one,
)
from mptcp_check.analysis.pairing.crossed_headers import column
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "sequence_numbers_rewritten"

_SPACE: Final = 1 << 32
_MOVED: Final = FieldChange(column="seq")
"""Tells at once which lanes are worth a look."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moved:
    """A lane whose sequence numbers differ between the ends."""

    subflow: PairedSubflow
    lane: Lane
    added: int
    """Constant from the first segment on, modulo 2**32."""
    sent: Column
    received: Column


def detect(connection: PairedConnection) -> Finding:
    """Say whether sequence numbers differ between the ends, from the first segment on.

    Firewalls hide weak initial sequence numbers so.  Mappings count from the subflow's own initial
    sequence number for this reason (RFC 8684, section 3.3.1).  A difference that begins in
    mid-stream is the trace of `payload_resized`.

    Limits: where both directions, timestamps and keys differ, it is another connection
    (`connection_proxied`).

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with a segment at both ends and ``added`` (modulo 2**32), ``segments_altered``;
        ``NOT_SEEN`` with ``segments_compared``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = connection.comparable_lanes
    compared = 0
    hits: list[_Moved] = []
    for subflow, lane in lanes:
        relevant, moved = counted_on(lane, _MOVED)
        compared += relevant
        if not moved:
            continue
        rows = column(lane, "seq", least=surely_one(lane))
        if len(rows.sent) and rows.differ[0]:
            added = (rows.after.astype(np.int64) - rows.before.astype(np.int64)) % _SPACE
            hits.append(
                _Moved(
                    subflow=subflow,
                    lane=lane,
                    added=int(added[0]),
                    sent=rows.sent[rows.differ],
                    received=rows.received[rows.differ],
                )
            )
    if hits:
        first, lane = hits[0], hits[0].lane
        total = sum(len(one.sent) for one in hits)
        return verdict.seen(
            f"{counted(total, 'segment')} reached the {receiver(lane)} with sequence numbers moved"
            f" by {first.added} (modulo 2**32) from those of the {sender(lane)}",
            subflow=first.subflow,
            direction=direction_of([one.lane for one in hits]),
            evidence=frames(
                (lane.sent, int(first.sent[0])), (lane.received, int(first.received[0]))
            ),
            measures={"added": first.added, "segments_altered": total},
        )
    if not compared:
        return verdict.not_measured(
            TWO_CONNECTIONS if not lanes else "no segment is in both captures"
        )
    return verdict.not_seen(
        f"the same in {counted(compared, 'segment')} compared",
        measures={"segments_compared": compared},
    )
