"""A middlebox sets the TTL anew."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.field_changes import FieldRule, anything, judge
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding, State

ID = "ttl_altered"

_HIGHEST: Final = 255

RULE: Final = FieldRule(
    column="ttl",
    relevant=anything,
    changed=lambda rows: rows.after > rows.before,
    nothing="no packet is in both captures",
    sentence=(
        "the TTL left the {sender} as {before} and reached the {receiver} as {after}, which no"
        " number of hops explains; {segments} so"
    ),
)
LEVELLED: Final = FieldRule(
    column="ttl",
    relevant=anything,
    changed=anything,
    nothing=RULE.nothing,
    sentence=(
        "packets that left the {sender} with several TTLs ({before} among them) all reached the"
        " {receiver} with {after}"
    ),
)


def _levelled(table: LaneTable) -> Column:
    """Say of each lane whether packets sent with several TTLs arrived with one and the same."""
    sent, received, lane = table.sure
    found = []
    for packets, rows in (
        (table.here.capture.packets, sent),
        (table.there.capture.packets, received),
    ):
        ttl = packets.ttl[rows].astype(np.int64)
        low, high = np.full(len(table), _HIGHEST), np.zeros(len(table), np.int64)
        np.minimum.at(low, lane, ttl)
        np.maximum.at(high, lane, ttl)
        found.append(high > low)
    several_sent, several_received = found
    return np.asarray(several_sent & ~several_received)


def detect(connection: PairedConnection) -> Finding:
    """Say whether the TTL (hop limit) of packets was set anew on the way.

    Routers count it down by one each (RFC 791, section 3.1; RFC 8200, section 3).  A TTL that grew
    was set; so was that of packets that start with several and arrive with one and the same.  Where
    only the number of hops varies, the route changed.

    Limits: a box that sets a value which is lower than the sender's, on packets that all start
    alike, looks like so many hops; only the probe suite tells.

    Returns:
        See `field_changes.judge`.
    """
    verdict = Verdict(ID, connection)
    grew = judge(verdict, connection, RULE)
    if grew.state is not State.NOT_SEEN:
        return grew
    levelled = [
        (subflow, lane)
        for subflow, lane in connection.comparable_lanes
        if lane.table is not None and lane.table.once(_levelled)[lane.number]
    ]
    return judge(verdict, connection, LEVELLED, lanes=levelled) if levelled else grew
