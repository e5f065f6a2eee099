"""A middlebox removes MP_CAPABLE from the SYN/ACK, and with it the listener's key."""

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.option_removal import Step, judge
from mptcp_check.analysis.pairing.paired import PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, chosen, frames, receiver
from mptcp_check.model import Finding

ID = "mp_capable_removed_from_synack"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a SYN/ACK that was sent with MP_CAPABLE arrived without it.

    Both ends then fall back: the opener at once, the listener at the third ACK that lacks the
    option (RFC 8684, sections 3.1 and 3.7).  An option that arrives with other content (the
    opener's own bytes, another key) is other behaviours' business.

    Limits: a SYN/ACK without the option is the right answer to a SYN that lost it; only the
    listener's capture tells.  Where nothing but payload or time ties the two ends together, the
    connection may have been ended in the middle, and this detector is silent.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYN/ACK's frames and how the option was removed (`removal_measures`);
        ``NOT_SEEN`` if one arrived with it; ``NOT_MEASURED`` if none was sent with it.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if subflow is None:
        return verdict.not_measured("the first subflow is not in the captures")
    if connection.one_sided:
        return _from_one_end(verdict, subflow)
    step = Step(
        name="SYN/ACK",
        number=2,
        subflow=subflow,
        lane=subflow.listener,
        crossings=subflow.handshake.synacks,
    )
    return judge(verdict, Subtype.MP_CAPABLE, [step])


def _from_one_end(verdict: Verdict, subflow: PairedSubflow) -> Finding:
    """Judge by the SYN/ACK as it arrived, where the capture is at the opener."""
    lane, rows = subflow.listener, subflow.handshake.synacks.at_receiver
    syns, offered = subflow.opener.sent, subflow.handshake.syns.at_sender
    if lane.received is not None:
        with_option = carriers(lane.received, rows, Subtype.MP_CAPABLE)
        if len(with_option):
            return verdict.not_seen(
                "the SYN/ACK arrived with MP_CAPABLE",
                subflow=subflow,
                direction=lane.direction,
                evidence=frames((lane.received, int(with_option[0]))),
            )
    return verdict.not_measured(
        chosen(
            (lane.received is None, "the capture does not show what became of the SYN/ACK"),
            (not len(rows), "no SYN/ACK is in the capture"),
            (
                syns is None or not len(carriers(syns, offered, Subtype.MP_CAPABLE)),
                f"the {receiver(lane)} sent no SYN with MP_CAPABLE",
            ),
            (
                True,
                f"cannot tell: {ID}, mp_capable_removed_from_syn, or a peer without MPTCP",
            ),
        )
    )
