"""A middlebox delivers segments with a wrong TCP checksum."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "checksum_invalid"

_RIGHT, _WRONG = 1, 0

RULE: Final = FieldRule(
    column="checksum_state",
    # where the sender's capture has a wrong one, its card computes it after the capture (offload)
    relevant=lambda rows: (rows.before == _RIGHT) & (rows.after >= _WRONG),
    changed=lambda rows: rows.after == _WRONG,
    nothing=(
        "no segment with a right TCP checksum at its sender is whole in both captures (checksum"
        " offload, or a snap length)"
    ),
    sentence=(
        "{segments} left the {sender} with a right TCP checksum and reached the {receiver} with a"
        " wrong one"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment that was sent with a right TCP checksum arrived with a wrong one.

    RFC 9293, section 3.1.  The receiving host drops it, so the data is sent again.

    Returns:
        See `field_changes.judge`; ``before`` is 1 (right), ``after`` 0 (wrong).
    """
    return judge(Verdict(ID, connection), connection, RULE)
