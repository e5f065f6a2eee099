"""A middlebox removes a TCP option other than MPTCP."""

from mptcp_check.analysis.option_changes import is_known, judge, removed
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "tcp_option_removed"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment lost an option that a standard names, on the way.

    RFC 9293, section 3.1.  Timestamps, window scale and SACK (RFC 7323, RFC 2018) are what boxes
    remove most; options that no standard names are `unknown_option_removed`.

    Returns:
        See `option_changes.judge`; ``option_kind`` is IANA's number.
    """
    return judge(
        Verdict(ID, connection),
        connection,
        kinds=is_known,
        change=removed,
        nothing="no segment with a TCP option other than MPTCP is in both captures",
        verb="was removed",
    )
