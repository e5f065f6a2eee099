"""A middlebox lowers the maximum segment size in SYNs."""

from typing import Final

from mptcp_check.analysis.field_changes import FieldRule, judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "mss_clamped"

_SYN: Final = 0x02

RULE: Final = FieldRule(
    column="mss",
    flags=_SYN,
    mask=_SYN,
    relevant=lambda rows: (rows.before >= 0) & (rows.after >= 0),
    changed=lambda rows: rows.after < rows.before,
    nothing="no SYN with a maximum segment size is in both captures",
    sentence=(
        "the maximum segment size left the {sender} as {before} bytes and reached the {receiver}"
        " as {after}"
    ),
)


def detect(connection: PairedConnection) -> Finding:
    """Say whether a SYN or SYN/ACK arrived with a smaller maximum segment size than it was sent.

    RFC 9293, section 3.7.1.  Tunnels need it (RFC 4821).  A size that grows is another behaviour
    (`tcp_option_altered`), an option that vanishes too (`tcp_option_removed`).

    Returns:
        See `field_changes.judge`; ``before`` and ``after`` are bytes.
    """
    return judge(Verdict(ID, connection), connection, RULE)
