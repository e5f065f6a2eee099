"""A middlebox removes MPTCP options from everything but SYNs."""

from mptcp_check.analysis.data_option_removal import judge
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "mptcp_option_removed_from_data"


def detect(connection: PairedConnection) -> Finding:
    """Say whether MPTCP options vanish from the segments after the SYNs, from the first one on.

    The third ACK's and first data's MP_CAPABLE and every DSS.  Both ends take it for a sign of
    such a box and fall back (RFC 8684, section 3.7).

    Limits: segments that a path splits or merges lose options in passing; they are not compared.

    Returns:
        See `data_option_removal.judge`.
    """
    return judge(Verdict(ID, connection), connection, midstream=False)
