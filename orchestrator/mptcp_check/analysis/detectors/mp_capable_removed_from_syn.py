"""A middlebox removes MP_CAPABLE from the SYN, by deletion or by NOPs."""

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.option_removal import Step, judge
from mptcp_check.analysis.pairing.paired import PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, chosen, frames, sender
from mptcp_check.model import Finding

ID = "mp_capable_removed_from_syn"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a SYN that was sent with MP_CAPABLE arrived without it.

    The same SYN is looked at in both captures: the plain SYN that follows unanswered ones (RFC
    8684, section 3.7) has their tuple and sequence number, but was plain when it left.

    Limits: from one end, the option removed from the SYN, the option removed from the SYN/ACK and
    a server without Multipath TCP look alike.  Where nothing but payload or time ties the two ends
    together, the connection may have been ended in the middle, and this detector is silent.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYN's frames and how the option was removed (`removal_measures`);
        ``NOT_SEEN`` if a SYN arrived with the option, or was answered with it: a SYN/ACK may carry
        MP_CAPABLE only then (RFC 8684, section 3.1).
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if subflow is None:
        return verdict.not_measured("the first subflow is not in the captures")
    if connection.one_sided:
        at_opener = subflow.opener.sent is not None
        return (_from_opener if at_opener else _from_listener)(verdict, subflow)
    step = Step(
        name="SYN",
        number=1,
        subflow=subflow,
        lane=subflow.opener,
        crossings=subflow.handshake.syns,
    )
    return judge(verdict, Subtype.MP_CAPABLE, [step])


def _from_opener(verdict: Verdict, subflow: PairedSubflow) -> Finding:
    """Judge by the answer, which is all that the opener's capture has."""
    lane, answers = subflow.opener, subflow.listener.received
    syns, synacks = subflow.handshake.syns.at_sender, subflow.handshake.synacks.at_receiver
    offered = lane.sent and len(carriers(lane.sent, syns, Subtype.MP_CAPABLE))
    if offered and answers is not None:
        with_option = carriers(answers, synacks, Subtype.MP_CAPABLE)
        if len(with_option):
            return verdict.not_seen(
                "the SYN/ACK carries MP_CAPABLE, hence the SYN arrived with it",
                subflow=subflow,
                direction=lane.direction,
                evidence=frames((answers, int(with_option[0]))),
            )
    return verdict.not_measured(
        chosen(
            (not len(syns), "the SYN is not in the capture"),
            (not offered, f"the {sender(lane)} sent no SYN with MP_CAPABLE"),
            (not len(synacks), "no SYN/ACK is in the capture"),
            (
                True,
                f"cannot tell: {ID}, mp_capable_removed_from_synack, or a peer without MPTCP",
            ),
        )
    )


def _from_listener(verdict: Verdict, subflow: PairedSubflow) -> Finding:
    """Judge by the SYN as it arrived."""
    lane, syns = subflow.opener, subflow.handshake.syns.at_receiver
    if lane.received is not None and len(syns):
        with_option = carriers(lane.received, syns, Subtype.MP_CAPABLE)
        if len(with_option):
            return verdict.not_seen(
                "the SYN arrived with MP_CAPABLE",
                subflow=subflow,
                direction=lane.direction,
                evidence=frames((lane.received, int(with_option[0]))),
            )
        return verdict.not_measured(f"cannot tell: {ID}, or a peer without MPTCP")
    return verdict.not_measured("the SYN is not in the capture")
