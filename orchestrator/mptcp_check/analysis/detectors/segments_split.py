"""A middlebox splits segments."""

from mptcp_check.analysis.field_changes import direction_of
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.resegmentation import judge
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

ID = "segments_split"

_SHOWN = 3


def detect(connection: PairedConnection) -> Finding:
    """Say whether single segments arrived as several.

    RFC 8684, section 3.3: a mapping may be on any of the pieces that it is for, or all of them;
    what comes before it has none.  A capture with segmentation offload holds segments larger than
    any wire's; these are the end's own.

    Limits: a path that both splits and proxies is `connection_proxied`.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with one segment and its pieces, and the measures ``segments_split``,
        ``segments_compared``.
    """
    verdict = Verdict(ID, connection)
    found = judge(verdict, connection, lambda one: one.split)
    if isinstance(found, Finding):
        return found
    first, lane = found.lanes[0], found.lanes[0].lane
    row = int(first.split[0])
    pieces = lane.byte_map.received[lane.byte_map.sent == row].tolist()
    total = sum(len(one.split) for one in found.lanes)
    return verdict.seen(
        f"one segment of the {sender(lane)} reached the {receiver(lane)} as"
        f" {counted(len(pieces), 'segment')}; {counted(total, 'segment')} so",
        subflow=first.subflow,
        direction=direction_of([one.lane for one in found.lanes]),
        evidence=frames((lane.sent, row), *((lane.received, piece) for piece in pieces[:_SHOWN])),
        measures={"segments_split": total, "segments_compared": found.compared_count},
    )
