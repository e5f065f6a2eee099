"""A middlebox changes the window scale in SYNs."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, differing, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "window_scale_altered"

_SYN: Final = 0x02

RULE: Final = FieldRule(
    column="window_scale",
    flags=_SYN,
    mask=_SYN,
    relevant=lambda rows: (rows.before >= 0) & (rows.after >= 0),
    changed=differing,
    nothing="no SYN with a window scale is in both captures",
    sentence=(
        "the window scale left the {sender} as {before} and reached the {receiver} as {after}"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a SYN or SYN/ACK arrived with another window scale than it was sent with.

    RFC 7323, section 2: both ends then read each other's window wrongly, unless the box scales
    every window as well.  An option that vanishes is `tcp_option_removed`.

    Returns:
        See `field_changes.judge`; ``before`` and ``after`` are shift counts.
    """
    return judge(Verdict(ID, connection), connection, RULE)
