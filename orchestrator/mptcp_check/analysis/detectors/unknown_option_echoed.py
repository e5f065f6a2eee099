"""A middlebox returns TCP options that it does not know."""

from mptcp_check.analysis.option_changes import is_unknown, name, walk
from mptcp_check.analysis.pairing.paired import Half, PairedConnection
from mptcp_check.analysis.verdict import Verdict, frames, receiver, sender
from mptcp_check.model import Finding

ID = "unknown_option_echoed"


def detect(connection: PairedConnection) -> Finding:
    """Say whether the SYN/ACK arrived with an unknown option of the SYN that nobody sent back.

    RFC 9293, section 3.1: an option that is not known is ignored, never returned.  What returns
    MPTCP's is `mptcp_option_echoed`.

    Limits: from the opener's capture alone a listener that echoes looks the same.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYN/ACK's frames and ``option_kind``; ``NOT_SEEN`` if the SYN had an
        unknown option and it did not come back, or the listener itself returned it.
    """
    verdict = Verdict(ID, connection)
    for subflow in connection.subflows:
        opened, lane = subflow.opener.sent, subflow.listener
        if opened is None or lane.received is None:
            continue
        asked = {
            octets
            for row in subflow.handshake.syns.at_sender.tolist()
            for octets in _unknown(opened, row)
        }
        answers = subflow.handshake.synacks.at_receiver.tolist()
        if not asked or not answers:
            continue
        origin = {c.received: c.sent for c in subflow.handshake.synacks.arrived}
        for row in answers:
            returned = asked.intersection(_unknown(lane.received, row))
            if row in origin and lane.sent is not None:
                returned -= set(_unknown(lane.sent, origin[row]))
            if returned:
                kind = min(returned)[0]
                sent = ((lane.sent, origin[row]),) if row in origin else ()
                return verdict.seen(
                    f"the SYN/ACK reached the {receiver(lane)} with the option {name(kind)} of its"
                    f" own SYN, which the {sender(lane)} did not send",
                    subflow=subflow,
                    direction=lane.direction,
                    evidence=frames(*sent, (lane.received, row)),
                    measures={"option_kind": kind},
                )
        return verdict.not_seen(
            "no option of the SYN came back by itself",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames((lane.received, answers[0])),
        )
    return verdict.not_measured("no answered SYN was sent with an option of an unknown kind")


def _unknown(half: Half, row: int) -> list[bytes]:
    return [o for o in walk(half.capture.packets.option_bytes(row)) if is_unknown(o[0])]
