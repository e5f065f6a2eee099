"""A middlebox begins to remove MPTCP options in the middle of a connection."""

from mptcp_check.analysis.data_option_removal import judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "mptcp_option_removed_midstream"


def detect(connection: PairedConnection) -> Finding:
    """Say whether MPTCP options pass at first and vanish later, on the same lane.

    With several subflows there is no way back to one stream, so the connection breaks (RFC 8684,
    section 3.7).

    Returns:
        See `data_option_removal.judge`.
    """
    return judge(Verdict(ID, connection), connection, midstream=True)
