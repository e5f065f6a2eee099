"""A middlebox merges segments."""

from mptcp_check.analysis.field_changes import ONE_CAPTURE, direction_of
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.resegmentation import recut
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "segments_coalesced"

_SHOWN = 3


def detect(connection: PairedConnection) -> Finding:
    """Say whether several segments arrived as one.

    A merged segment has room for one mapping, and the data of the others arrives without theirs
    (RFC 8684, section 3.3).  A capture with receive offload (GRO, LRO) holds segments larger than
    any wire's; these are the end's own.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the segments and what became of them, and the measures
        ``segments_coalesced``, ``segments_compared``.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    found = recut(connection)
    compared = sum(one.compared for one in found)
    if not compared:
        return verdict.not_measured("no segment with payload is in both captures")
    hits = [one for one in found if len(one.merged)]
    if not hits:
        return verdict.not_seen(
            f"{counted(compared, 'segment')} with payload compared",
            measures={"segments_compared": compared},
        )
    first, lane = hits[0], hits[0].lane
    row = int(first.merged[0])
    parts = lane.byte_map.sent[lane.byte_map.received == row].tolist()
    total = sum(len(one.merged) for one in hits)
    return verdict.seen(
        f"{counted(len(parts), 'segment')} of the {sender(lane)} reached the {receiver(lane)} as"
        f" one; {counted(total, 'segment')} made so",
        subflow=first.subflow,
        direction=direction_of([one.lane for one in hits]),
        evidence=frames(*((lane.sent, part) for part in parts[:_SHOWN]), (lane.received, row)),
        measures={"segments_coalesced": total, "segments_compared": compared},
    )
