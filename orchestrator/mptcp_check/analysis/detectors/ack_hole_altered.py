"""A middlebox changes ACKs for data that it has not seen."""

from mptcp_check.analysis.acknowledgements import acknowledgements
from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    direction_of,
)
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "ack_hole_altered"


def detect(connection: PairedConnection) -> Finding:
    """Say whether acknowledgement numbers were lowered, other than by a constant.

    A box that follows the data acknowledges only what it has seen, and corrects ACKs for more.  A
    striping protocol with one sequence space over several paths would break on it; Multipath TCP
    has one per subflow for this reason (RFC 8684, section 3.3; Honda et al., IMC 2011, 4.3).

    A number that was raised promises what nobody has: `acked_by_middlebox`.

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
    found = acknowledgements(connection)
    if not found:
        return verdict.not_measured(
            "the length of the data was changed, and acknowledgements with it"
            if connection.comparable_lanes
            else TWO_CONNECTIONS
        )
    compared = sum(one.compared_count for one in found)
    hits = [one for one in found if len(one.lowered)]
    if not hits:
        if not compared:
            return verdict.not_measured("no acknowledgement is in both captures")
        return verdict.not_seen(
            f"{counted(compared, 'acknowledgement')} compared",
            measures={"segments_compared": compared},
        )
    first = hits[0]
    lane, rows = first.lane, first.rows
    at = int(first.lowered[0])
    total = sum(len(one.lowered) for one in hits)
    return verdict.seen(
        f"an ACK left the {sender(lane)} for {int(rows.before[at])} and reached the"
        f" {receiver(lane)} for {int(rows.after[at])}; {counted(total, 'ACK')} changed so",
        subflow=first.subflow,
        direction=direction_of([one.lane for one in hits]),
        evidence=frames((lane.sent, int(rows.sent[at])), (lane.received, int(rows.received[at]))),
        measures={"acks_altered": total, "segments_compared": compared},
    )
