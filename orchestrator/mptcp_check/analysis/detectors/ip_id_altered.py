"""A middlebox changes the IP identification."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, differing, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "ip_id_altered"

RULE: Final = FieldRule(
    column="ip_id",
    # IPv6 has none, and the column is 0 then at both ends
    relevant=lambda rows: (rows.before != 0) | (rows.after != 0),
    changed=differing,
    nothing="no packet with an IPv4 identification is in both captures",
    sentence=(
        "the IP identification left the {sender} as {before} and reached the {receiver} as"
        " {after}; {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a packet arrived with another IPv4 identification than it was sent with.

    RFC 6864, section 4: only fragments need it, so boxes that count anew break nothing.

    Returns:
        See `field_changes.judge`.
    """
    return judge(Verdict(ID, connection), connection, RULE)
