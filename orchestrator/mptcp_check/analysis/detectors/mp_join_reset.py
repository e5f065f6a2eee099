"""A middlebox answers a SYN that carries MP_JOIN with a RST."""

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.paired import PairedConnection, PairedSubflow
from mptcp_check.analysis.pairing.resets import forged_resets, refusal
from mptcp_check.analysis.verdict import Verdict, frames, frames_of, sender
from mptcp_check.model import Finding

ID = "mp_join_reset"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a SYN with MP_JOIN was answered by a RST that the listener never sent.

    A listener refuses joins itself: with an unknown token, with too many subflows, or while the
    connection closes (RFC 8684, section 3.2; seen up to 25 ms after DATA_FIN).  Such a RST is in
    its own capture and accuses nobody.

    Limits: from the opener's capture alone the two cannot be told apart.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYN and the RST at the opener, and ``subflows_count``; ``NOT_SEEN`` if no
        join was answered with a RST, or the listener sent it.
    """
    verdict = Verdict(ID, connection)
    asked = [(s, row) for s in connection.joins if (row := _syn(s)) is not None]
    if not asked:
        return verdict.not_measured("no SYN with MP_JOIN is in the opener's capture")
    answered = [
        (s, row, rst) for s, row in asked if (rst := refusal(s.listener.received)) is not None
    ]
    forged = [
        item for item in answered if item[2] in forged_resets(item[0].listener, connection.clock)
    ]
    if answered and connection.one_sided:
        subflow, syn, rst = answered[0]
        return verdict.not_measured(
            f"cannot tell: {ID}, or a {sender(subflow.listener)} that refuses the subflow",
            evidence=frames((subflow.opener.sent, syn), (subflow.listener.received, rst)),
        )
    if not forged:
        subflow, syn = asked[0]
        return verdict.not_seen(
            f"the {sender(subflow.listener)} itself sent the RST that answered MP_JOIN"
            if answered
            else "no SYN with MP_JOIN was answered with a RST",
            subflow=subflow,
            direction=subflow.listener.direction,
            evidence=frames_of(subflow.opener.sent, [syn]),
        )
    subflow, syn, rst = forged[0]
    lane = subflow.listener
    return verdict.seen(
        f"the SYN with MP_JOIN was answered with a RST that the {sender(lane)} never sent",
        subflow=subflow,
        direction=lane.direction,
        evidence=frames((subflow.opener.sent, syn), (lane.received, rst)),
        measures={"subflows_count": len(forged)},
    )


def _syn(subflow: PairedSubflow) -> int | None:
    """Return the row of the first SYN with MP_JOIN in the opener's capture."""
    sent = subflow.opener.sent
    if sent is None:
        return None
    rows = carriers(sent, subflow.handshake.syns.at_sender, Subtype.MP_JOIN)
    return int(rows.min()) if len(rows) else None
