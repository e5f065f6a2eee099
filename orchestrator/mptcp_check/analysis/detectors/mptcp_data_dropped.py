"""A middlebox drops data that carries MPTCP options."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.packets import KIND_MPTCP, Flag
from mptcp_check.analysis.fates import anything_lost, in_vain, sort_out
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, frames_of, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "mptcp_data_dropped"

_MPTCP_BIT: Final = np.uint32(1 << KIND_MPTCP)


def detect(connection: PairedConnection) -> Finding:
    """Say whether no data with an MPTCP option ever arrived, on a lane on which other things did.

    The sender sends the same data again and again, and does not fall back, as it cannot tell this
    from loss (RFC 8684, section 3.7).

    Limits: a path that goes dead right after the handshake looks the same unless something else
    passes afterwards; the finding is ``likely`` then.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with segments in vain and ``segments_lost``, ``confirmed`` where data without the
        option or a bare ACK passed after the first of them; ``NOT_SEEN`` if such data arrived.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    arrived = None
    for subflow in connection.subflows:
        for lane in subflow.lanes.values():
            if lane.sent is None:
                continue
            packets, rows = lane.sent.capture.packets, lane.sent.rows
            if arrived is not None and not anything_lost(lane):
                continue
            flags = packets.flags[rows]
            with_data = (packets.payload_bytes[rows] > 0) & ((flags & Flag.SYN) == 0)
            with_option = (packets.option_kinds[rows] & _MPTCP_BIT) != 0
            data = sort_out(lane, lane.sent, with_data & with_option)
            if len(data.passed):
                arrived = arrived or (subflow, lane.sent, int(data.passed[0]))
                continue
            others = sort_out(lane, lane.sent, ~(with_data & with_option))
            if not data.only_vanished or not len(others.passed):
                continue
            times = packets.time_ns
            later = others.passed[times[others.passed] > int(times[data.vanished[0]])]
            return verdict.seen(
                f"{counted(len(data.vanished), 'segment')} of data with an MPTCP option left the"
                f" {sender(lane)} and none reached the {receiver(lane)};"
                f" {counted(len(others.passed), 'other segment')} did",
                subflow=subflow,
                direction=lane.direction,
                evidence=in_vain(lane, data.vanished.tolist(), int(others.passed[-1])),
                confidence=Confidence.CONFIRMED if len(later) else Confidence.LIKELY,
                measures={"segments_lost": len(data.vanished)},
            )
    if arrived is None:
        return verdict.not_measured("no data with an MPTCP option was sent, or too little of it")
    subflow, sent, row = arrived
    return verdict.not_seen(
        "data with MPTCP options arrived", subflow=subflow, evidence=frames_of(sent, [row])
    )
