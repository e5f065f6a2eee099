"""A middlebox answers a SYN that carries MP_CAPABLE with a RST."""

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.pairing.resets import forged_resets, refusal
from mptcp_check.analysis.verdict import Verdict, frames, frames_of, receiver, sender
from mptcp_check.model import Finding

ID = "mp_capable_syn_reset"


def detect(connection: PairedConnection) -> Finding:
    """Say whether a SYN with MP_CAPABLE was answered by a RST that the listener never sent.

    The opener takes it for a closed port and does not try without the option (RFC 8684, section
    3.7, has fallback for silence and for a missing option only; RFC 9293, section 3.10.7.3).

    Limits: a box that resets every SYN, with the option or without, looks the same on one
    connection; `diagnose` asks the plain TCP connections to the same port.  From the opener's
    capture alone, a RST may be the listener's own: its port may be closed.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYN and the RST at the opener, and whether the SYN got through in
        ``syns_arrived``; ``NOT_SEEN`` if no RST came in answer to the SYN, or the listener sent it.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if subflow is None or subflow.opener.sent is None:
        return verdict.not_measured("the opener's capture does not hold the SYN")
    lane, opened = subflow.listener, subflow.opener.sent
    syns = carriers(opened, subflow.handshake.syns.at_sender, Subtype.MP_CAPABLE)
    if not len(syns):
        return verdict.not_measured(f"the {receiver(lane)} sent no SYN with MP_CAPABLE")
    answer = refusal(subflow.listener.received)
    if answer is None:
        return verdict.not_seen(
            "no RST answered the SYN",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames_of(opened, syns[:1].tolist()),
        )
    forged = forged_resets(lane, connection.clock)
    if connection.one_sided:
        return verdict.not_measured(
            f"cannot tell: {ID}, reset_injected, or a server that refuses the connection",
            evidence=frames((opened, int(syns[0])), (lane.received, answer)),
        )
    if answer not in forged:
        return verdict.not_seen(
            f"the {sender(lane)} itself sent the RST: it refused the connection",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames((lane.received, answer)),
        )
    arrived = len(subflow.handshake.syns.arrived)
    return verdict.seen(
        f"the SYN with MP_CAPABLE (frame {opened.frame(int(syns[0]))}) was answered with a RST"
        f" that the {sender(lane)} never sent",
        subflow=subflow,
        direction=lane.direction,
        evidence=frames((opened, int(syns[0])), (lane.received, answer)),
        measures={"syns_arrived": arrived},
    )
