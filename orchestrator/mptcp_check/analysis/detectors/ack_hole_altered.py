"""A middlebox changes ACKs for data that it has not seen."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    FieldRule,
    anything,
    comparable_lanes,
    counted_on,
    differing,
    direction_of,
    surely_one,
)
from mptcp_check.analysis.pairing.crossed_headers import BeforeAfter, column
from mptcp_check.analysis.pairing.paired import BACK, PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "ack_hole_altered"

_ACK: Final = int(Flag.ACK)
_SPACE: Final = 1 << 32
_DIFFERING: Final = FieldRule(
    column="ack",
    flags=_ACK,
    mask=_ACK,
    relevant=anything,
    changed=differing,
    nothing="no acknowledgement is in both captures",
    sentence="",
)
"""Tells at once which lanes are worth a look."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether acknowledgement numbers were changed other than by a constant.

    A box that follows the data acknowledges only what it has seen, and corrects ACKs for more.  A
    striping protocol with one sequence space over several paths would break on it; Multipath TCP
    has one per subflow for this reason (RFC 8684, section 3.3; Honda et al., IMC 2011, 4.3).

    Limits: an ACK that such a box drops looks like loss; only the probe suite tells.  Where the
    length of the data was changed, acknowledgements move with it, and nothing is said.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the first such ACK at both ends and ``acks_altered``; ``NOT_SEEN`` with
        ``segments_compared``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = [
        (subflow, lane)
        for subflow, lane in comparable_lanes(connection)
        if not subflow.lanes[BACK[lane.direction]].resized
    ]
    if not lanes:
        return verdict.not_measured(
            TWO_CONNECTIONS
            if not comparable_lanes(connection)
            else "the length of the data was changed, and acknowledgements with it"
        )
    compared, hits = 0, []
    for subflow, lane in lanes:
        relevant, moved = counted_on(lane, _DIFFERING)
        compared += relevant
        if not moved:
            continue
        rows = column(lane, "ack", least=surely_one(lane), flags=_ACK, mask=_ACK)
        odd = _not_by_the_constant(rows)
        if len(odd):
            hits.append((subflow, lane, rows, odd))
    if not hits:
        if not compared:
            return verdict.not_measured("no acknowledgement is in both captures")
        return verdict.not_seen(
            f"{counted(compared, 'acknowledgement')} compared",
            measures={"segments_compared": compared},
        )
    subflow, lane, rows, odd = hits[0]
    at = int(odd[0])
    total = sum(len(places) for *_, places in hits)
    return verdict.seen(
        f"an ACK left the {sender(lane)} for {int(rows.before[at])} and reached the"
        f" {receiver(lane)} for {int(rows.after[at])}; {counted(total, 'ACK')} changed so",
        subflow=subflow,
        direction=direction_of([hit[1] for hit in hits]),
        evidence=frames((lane.sent, int(rows.sent[at])), (lane.received, int(rows.received[at]))),
        measures={"acks_altered": total, "segments_compared": compared},
    )


def _not_by_the_constant(rows: BeforeAfter) -> np.ndarray:
    """Return the segments whose acknowledgement moved by something else than most do."""
    moved = (rows.after.astype(np.int64) - rows.before.astype(np.int64)) % _SPACE
    if not len(moved):
        return np.empty(0, np.int64)
    values, counts = np.unique(moved, return_counts=True)
    return np.flatnonzero(moved != values[counts.argmax()])
