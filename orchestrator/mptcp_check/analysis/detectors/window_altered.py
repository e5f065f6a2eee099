"""A middlebox changes the receive window."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, anything, differing, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "window_altered"

RULE: Final = FieldRule(
    column="window",
    agreeing=True,
    relevant=anything,
    changed=differing,
    nothing="no segment is in both captures",
    sentence=(
        "the window field left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment arrived with another window than it was sent with.

    RFC 9293, section 3.8.6.  Values are those of the header, not scaled.

    Returns:
        See `field_changes.judge`.
    """
    return judge(Verdict(ID, connection), connection, RULE)
