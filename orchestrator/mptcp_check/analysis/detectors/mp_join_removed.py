"""A middlebox removes MP_JOIN from the handshake of a further subflow."""

from collections.abc import Iterator

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.option_removal import Step, judge
from mptcp_check.analysis.pairing.paired import MatchedBy, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict
from mptcp_check.model import Finding

ID = "mp_join_removed"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a segment that was sent with MP_JOIN arrived without it.

    MP_JOIN is in all three steps of a further subflow's handshake (RFC 8684, section 3.2), and a
    path may remove it from any.  Without it in the SYN the listener takes the subflow for a new
    TCP connection, so this detector finds it by what the two ends have in common, not by token.

    A RST in answer to a join is no removal: the listener refuses joins while the connection
    closes (seen up to 25 ms after DATA_FIN), and a path may send one as well.

    Limits: bare ACKs look alike, so a third ACK counts only where its timestamp or its IP
    identification belong to no other one.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` for the first subflow that lost it, with the measures of `removal_measures`,
        ``handshake_step`` (1 SYN, 2 SYN/ACK, 3 third ACK) and ``subflows_count``, how many lost it;
        ``NOT_SEEN`` if every MP_JOIN that could be followed arrived.
    """
    verdict = Verdict(ID, connection)
    if not connection.joins:
        return verdict.not_measured("no further subflow was opened")
    if connection.one_sided:
        return _from_one_end(verdict, connection)
    steps = [step for subflow in connection.joins for step in _steps(subflow)]
    return judge(verdict, Subtype.MP_JOIN, steps)


def _steps(subflow: PairedSubflow) -> Iterator[Step]:
    handshake = subflow.handshake
    yield Step(name="SYN", number=1, subflow=subflow, lane=subflow.opener, crossings=handshake.syns)
    yield Step(
        name="SYN/ACK",
        number=2,
        subflow=subflow,
        lane=subflow.listener,
        crossings=handshake.synacks,
    )
    yield Step(
        name="third ACK",
        number=3,
        subflow=subflow,
        lane=subflow.opener,
        crossings=handshake.acks,
        least=MatchedBy.FIELDS,
    )


def _from_one_end(verdict: Verdict, connection: PairedConnection) -> Finding:
    """Say what one capture alone allows: a later step with MP_JOIN vouches for the earlier ones."""
    complete = [
        subflow for subflow in connection.joins if any(v.complete for v in subflow.views.values())
    ]
    if complete:
        return verdict.not_seen(
            "all three steps of a further subflow's handshake carry MP_JOIN", subflow=complete[0]
        )
    return verdict.not_measured(
        f"cannot tell: {ID}, mp_join_dropped, mp_join_reset, or an end that refused the subflow"
    )
