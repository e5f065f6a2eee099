"""A middlebox sets the TTL anew."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.field_changes import FieldRule, anything, judge
from mptcp_check.analysis.pairing.crossed_headers import BeforeAfter
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "ttl_altered"

_FEWEST: Final = 2


def _set_anew(rows: BeforeAfter) -> Column:
    """Say which packets' TTL does not follow by counting hops.

    A TTL that grew was set.  So was one where packets sent with different TTLs arrive with one and
    the same; where only the number of hops varies, the route changed.
    """
    grew = rows.after > rows.before
    by_before = {
        int(value): frozenset(rows.after[rows.before == value].tolist())
        for value in np.unique(rows.before)
    }
    same = len(by_before) >= _FEWEST and len(frozenset().union(*by_before.values())) == 1
    return np.asarray(grew | np.full(len(rows.before), same))


RULE: Final = FieldRule(
    column="ttl",
    relevant=anything,
    changed=_set_anew,
    nothing="no packet is in both captures",
    sentence=(
        "the TTL left the {sender} as {before} and reached the {receiver} as {after}, which no"
        " number of hops explains; {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether the TTL (hop limit) of packets was set anew on the way.

    Routers count it down by one each (RFC 791, section 3.1; RFC 8200, section 3).

    Limits: a box that sets a value which is lower than the sender's, on packets that all start
    alike, looks like so many hops; only the probe suite tells.

    Returns:
        See `field_changes.judge`.
    """
    return judge(Verdict(ID, connection), connection, RULE)
