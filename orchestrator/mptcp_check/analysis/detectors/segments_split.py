"""A middlebox splits segments."""

from mptcp_check.analysis.field_changes import ONE_CAPTURE, direction_of
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.resegmentation import recut
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
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    found = recut(connection)
    compared = sum(one.compared for one in found)
    if not compared:
        return verdict.not_measured("no segment with payload is in both captures")
    hits = [one for one in found if len(one.split)]
    if not hits:
        return verdict.not_seen(
            f"{counted(compared, 'segment')} with payload compared",
            measures={"segments_compared": compared},
        )
    first, lane = hits[0], hits[0].lane
    row = int(first.split[0])
    pieces = lane.byte_map.received[lane.byte_map.sent == row].tolist()
    total = sum(len(one.split) for one in hits)
    return verdict.seen(
        f"one segment of the {sender(lane)} reached the {receiver(lane)} as"
        f" {counted(len(pieces), 'segment')}; {counted(total, 'segment')} so",
        subflow=first.subflow,
        direction=direction_of([one.lane for one in hits]),
        evidence=frames((lane.sent, row), *((lane.received, piece) for piece in pieces[:_SHOWN])),
        measures={"segments_split": total, "segments_compared": compared},
    )
