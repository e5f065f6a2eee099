"""A middlebox clears the urgent pointer."""

from typing import Final

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import FieldRule, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding, State

ID = "urgent_pointer_cleared"

_URG: Final = int(Flag.URG)
_NONE_SENT: Final = "no segment was sent with urgent data"

FLAG: Final = FieldRule(
    column="flags",
    relevant=lambda rows: (rows.before & _URG) != 0,
    changed=lambda rows: (rows.after & _URG) == 0,
    nothing=_NONE_SENT,
    sentence=(
        "{segments} left the {sender} with the URG flag (flags {before}) and reached the"
        " {receiver} without it (flags {after})"
    ),
)
POINTER: Final = FieldRule(
    column="urgent",
    flags=_URG,
    mask=_URG,
    relevant=lambda rows: rows.before != 0,
    changed=lambda rows: rows.after == 0,
    nothing=_NONE_SENT,
    sentence=(
        "the urgent pointer left the {sender} as {before} and reached the {receiver} as {after};"
        " {segments} so"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment's urgent flag or pointer was cleared on the way.

    RFC 9293, section 3.8.5; boxes do it against attacks on old systems (RFC 6093, section 3).

    Returns:
        See `field_changes.judge`; ``before`` and ``after`` are the flags, or the pointer.
    """
    verdict = Verdict(ID, connection)
    by_flag = judge(verdict, connection, FLAG)
    return by_flag if by_flag.state is not State.NOT_SEEN else judge(verdict, connection, POINTER)
