"""A middlebox merges segments."""

from mptcp_check.analysis.field_changes import direction_of
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.resegmentation import judge
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
    found = judge(verdict, connection, lambda one: one.merged)
    if isinstance(found, Finding):
        return found
    first, lane = found.lanes[0], found.lanes[0].lane
    row = int(first.merged[0])
    parts = lane.byte_map.sent[lane.byte_map.received == row].tolist()
    total = sum(len(one.merged) for one in found.lanes)
    return verdict.seen(
        f"{counted(len(parts), 'segment')} of the {sender(lane)} reached the {receiver(lane)} as"
        f" one; {counted(total, 'segment')} made so",
        subflow=first.subflow,
        direction=direction_of([one.lane for one in found.lanes]),
        evidence=frames(*((lane.sent, part) for part in parts[:_SHOWN]), (lane.received, row)),
        measures={"segments_coalesced": total, "segments_compared": found.compared_count},
    )
