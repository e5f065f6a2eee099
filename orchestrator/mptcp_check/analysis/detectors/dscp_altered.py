"""A middlebox changes the DSCP."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, anything, differing, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "dscp_altered"

RULE: Final = FieldRule(
    column="dscp",
    relevant=anything,
    changed=differing,
    nothing="no segment is in both captures",
    sentence=(
        "the DSCP left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a packet arrived with another DSCP than it was sent with.

    RFC 2474, section 3: the upper six bits of the IPv4 TOS or IPv6 traffic class.

    Returns:
        See `field_changes.judge`; ``before`` and ``after`` are code points, 0 to 63.
    """
    return judge(Verdict(ID, connection), connection, RULE)
