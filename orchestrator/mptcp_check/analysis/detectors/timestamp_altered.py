"""A middlebox changes TCP timestamps."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, differing, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "timestamp_altered"

RULE: Final = FieldRule(
    column="ts_value",
    # the column is 0 where there is no option; an option that vanishes is tcp_option_removed
    relevant=lambda rows: (rows.before != 0) & (rows.after != 0),
    changed=differing,
    nothing="no segment with a timestamp is in both captures",
    sentence=(
        "the timestamp left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment arrived with another timestamp value than it was sent with.

    RFC 7323, section 3: TSval.  The echo (TSecr) follows from it and is not judged.

    Returns:
        See `field_changes.judge`.
    """
    return judge(Verdict(ID, connection), connection, RULE)
