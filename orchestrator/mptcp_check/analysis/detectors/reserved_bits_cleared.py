"""A middlebox clears reserved bits of the TCP header."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "reserved_bits_cleared"

RULE: Final = FieldRule(
    column="reserved",
    relevant=lambda rows: rows.before != 0,
    changed=lambda rows: (rows.before & ~rows.after) != 0,
    nothing="no segment was sent with a reserved bit set",
    sentence=(
        "the reserved bits left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment lost reserved bits on the way.

    RFC 9293, section 3.1: the three bits between data offset and flags that are still reserved.

    Returns:
        See `field_changes.judge`; ``before`` and ``after`` are 0 to 7.
    """
    return judge(Verdict(ID, connection), connection, RULE)
