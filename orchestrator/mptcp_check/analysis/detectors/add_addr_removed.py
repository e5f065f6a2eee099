"""A middlebox removes ADD_ADDR."""

import numpy as np

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.field_changes import ONE_CAPTURE, direction_of
from mptcp_check.analysis.mptcp_removal import removals
from mptcp_check.analysis.pairing.mptcp_options import carriers, carries
from mptcp_check.analysis.pairing.paired import MatchedBy, PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "add_addr_removed"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment lost its ADD_ADDR on the way while other MPTCP options passed.

    ADD_ADDR travels in ACKs of its own, one of the first ones of a connection among them, and is
    sent again until it is echoed (RFC 8684, section 3.4.1).  A segment that arrives without it is
    no loss: it arrived.

    Limits: where all MPTCP options are removed, this one is only one of them, and the finding is
    about the whole (`mptcp_option_removed_from_data`); `diagnose` has the order of blame.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the first segment that lost it and ``segments_altered``; ``NOT_SEEN`` if it
        arrived wherever it could be followed.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    found = removals(connection, Subtype.ADD_ADDR)
    if not found:
        like = _among_like_ones(verdict, connection)
        if like is not None:
            return like
        return verdict.not_measured("no segment that was sent with ADD_ADDR is in both captures")
    hits = []
    for one in found:
        asked = np.flatnonzero(one.of(Subtype.ADD_ADDR))
        lost = [
            at
            for at in asked.tolist()
            if carries(one.received, int(one.received_rows[at]), Subtype.ADD_ADDR) is False
        ]
        if lost:
            hits.append((one, lost))
    compared = sum(int(one.of(Subtype.ADD_ADDR).sum()) for one in found)
    if not hits:
        return verdict.not_seen(
            f"ADD_ADDR arrived in {counted(compared, 'segment')}",
            subflow=found[0].subflow,
            measures={"segments_compared": compared},
        )
    one, lost = hits[0]
    lane, at = one.lane, lost[0]
    altered = sum(len(places) for _, places in hits)
    return verdict.seen(
        f"{counted(altered, 'segment')} left the {sender(lane)} with ADD_ADDR and reached the"
        f" {receiver(lane)} without it",
        subflow=one.subflow,
        direction=direction_of([hit.lane for hit, _ in hits]),
        evidence=frames(
            (one.sent, int(one.sent_rows[at])), (one.received, int(one.received_rows[at]))
        ),
        measures={"segments_altered": altered, "segments_compared": compared},
    )


def _among_like_ones(verdict: Verdict, connection: PairedConnection) -> Finding | None:
    """Judge where which of several like ACKs is which cannot be told: all arrived, none with it."""
    for subflow, lane in connection.comparable_lanes:
        sent, received = lane.sent, lane.received
        if sent is None or received is None:
            continue
        offered = carriers(sent, sent.rows, Subtype.ADD_ADDR)
        if not len(offered) or len(carriers(received, received.rows, Subtype.ADD_ADDR)):
            continue
        rows, others = lane.crossing.at_least(MatchedBy.TIME)
        arrived = np.flatnonzero(np.isin(rows, offered))
        without = [
            carries(received, row, Subtype.ADD_ADDR) is False for row in others[arrived].tolist()
        ]
        arrived = arrived[np.array(without, dtype=np.bool_)]
        if len(arrived):
            at = int(arrived[0])
            return verdict.seen(
                f"{counted(len(arrived), 'segment')} left the {sender(lane)} with ADD_ADDR, and"
                f" none that reached the {receiver(lane)} had it",
                subflow=subflow,
                direction=lane.direction,
                evidence=frames((sent, int(rows[at])), (received, int(others[at]))),
                confidence=Confidence.LIKELY,
                measures={"segments_altered": len(arrived), "segments_compared": len(arrived)},
            )
    return None
