"""A middlebox removes TCP options that it does not know."""

from mptcp_check.analysis.option_changes import is_unknown, judge, removed
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "unknown_option_removed"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment lost an option of a kind that no standard names, on the way.

    RFC 9293, section 3.1: who does not know an option ignores it.  Ordinary applications send no
    such options; the probe suite does.

    Returns:
        See `option_changes.judge`.
    """
    return judge(
        Verdict(ID, connection),
        connection,
        kinds=is_unknown,
        change=removed,
        nothing="no segment was sent with an option of an unknown kind",
        verb="was removed",
    )
