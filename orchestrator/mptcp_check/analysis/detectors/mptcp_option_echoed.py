"""A middlebox returns the opener's own MP_CAPABLE bytes in the SYN/ACK."""

from typing import Final

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import find
from mptcp_check.analysis.pairing.paired import Half, PairedConnection
from mptcp_check.analysis.verdict import CONFIDENCE, Verdict, chosen, frames, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "mptcp_option_echoed"

_LEAST_BYTES: Final = 3
"""Kind, length and subtype: less is no MP_CAPABLE."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether the SYN/ACK arrived with the very option of the SYN, not sent by the listener.

    A listener that speaks Multipath TCP answers with a key of its own: in version 1 the option of
    the SYN has no key and 4 bytes, that of the SYN/ACK has 12; in version 0 both have 12 and the
    keys differ (RFC 8684 and RFC 6824, section 3.1).

    Limits: from the opener's capture alone a listener that returns what it does not know looks
    the same, so the finding is ``one_sided`` there.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYN/ACK's frames and ``option_bytes``; ``NOT_SEEN`` if the option that
        arrived is another one, or none did, or the listener itself sent it.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if subflow is None or subflow.opener.sent is None:
        return verdict.not_measured("the opener's capture does not hold the SYN")
    opened, lane = subflow.opener.sent, subflow.listener
    asked = [
        option
        for row in subflow.handshake.syns.at_sender.tolist()
        if (option := _option(opened, row)) is not None
    ]
    if lane.received is None or not asked:
        return verdict.not_measured(
            chosen(
                (not asked, f"the {receiver(lane)} sent no SYN with MP_CAPABLE"),
                (True, f"no SYN/ACK is in the {receiver(lane)}'s capture"),
            )
        )
    answers = subflow.handshake.synacks.at_receiver.tolist()
    if not answers:
        return verdict.not_measured(f"no SYN/ACK reached the {receiver(lane)}")
    echoed = [row for row in answers if _option(lane.received, row) in asked]
    if not echoed:
        return verdict.not_seen(
            f"no SYN/ACK carries the option of the {receiver(lane)}'s own SYN",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames((lane.received, answers[0])),
        )
    row = echoed[0]
    origin = {c.received: c for c in subflow.handshake.synacks.arrived}.get(row)
    if origin is not None and lane.sent is not None:
        was = _option(lane.sent, origin.sent)
        if was == _option(lane.received, row):
            return verdict.not_seen(
                f"the {sender(lane)} itself returned the option",
                subflow=subflow,
                direction=lane.direction,
                evidence=frames((lane.sent, origin.sent), (lane.received, row)),
            )
    sent = () if origin is None else ((lane.sent, origin.sent),)
    return verdict.seen(
        f"the SYN/ACK reached the {receiver(lane)} (frame {lane.received.frame(row)}) with the"
        " bytes of MP_CAPABLE in its own SYN"
        + ("" if connection.one_sided else f"; the {sender(lane)} did not send them"),
        subflow=subflow,
        direction=lane.direction,
        evidence=frames(*sent, (lane.received, row)),
        confidence=Confidence.LIKELY
        if origin is None
        else CONFIDENCE.get(origin.by, Confidence.LIKELY),
        measures={"option_bytes": len(asked[0])},
    )


def _option(half: Half, row: int) -> bytes | None:
    """Return a segment's first MP_CAPABLE as it stands in the header."""
    index = find(half, row, Subtype.MP_CAPABLE)
    if index is None:
        return None
    signals = half.capture.packets.signals
    start, length = int(signals.offset[index]), int(signals.length[index])
    content = bytes(half.capture.buffer[start : start + length])
    return content if len(content) >= _LEAST_BYTES else None
