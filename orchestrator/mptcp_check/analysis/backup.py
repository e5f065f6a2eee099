"""Whether a backup subflow stood by, as the packets show it: the B bit, and no data on it.

RFC 8684, section 3.3.8: a backup subflow carries data only when no other is left.  A sender may
send again over it what another subflow lost, so that data on it accuse nobody.
"""

from collections.abc import Sequence

from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.model import Side


def words(connections: Sequence[PairedConnection]) -> str:
    """Say in a line what became of the further subflows of a connection that asked for a backup.

    Args:
        connections: Those of the exchange.
    """
    joins = [join for connection in connections for join in connection.joins]
    carried_bytes = sum(
        int(half.capture.packets.payload_bytes[half.rows].sum())
        for join in joins
        for lane in join.lanes.values()
        if (half := lane.sent or lane.received) is not None
    )
    asked = [join for join in joins if Side.CLIENT in join.views and join.views[Side.CLIENT].backup]
    lost = [j for j in asked if Side.SERVER in j.views and not j.views[Side.SERVER].backup]
    if lost:
        return "the backup bit of the join did not reach the server"
    if carried_bytes:
        return f"{carried_bytes} bytes went over the backup path while the first one lived"
    return "the backup path stood by: no data went over it"
