"""A middlebox silently drops SYN/ACKs that carry MP_CAPABLE."""

from typing import Final

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carries
from mptcp_check.analysis.pairing.paired import Half, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import (
    Verdict,
    counted,
    frames_of,
    receiver,
    sender,
)
from mptcp_check.model import Confidence, Finding

ID = "mp_capable_synack_dropped"

_LEAST_LOST: Final = 3
"""At 5 % loss three in a row are one attempt in 8000; fewer are chance."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether no SYN/ACK with MP_CAPABLE reached the opener, though several were sent.

    Linux's listener keeps the request that the first SYN made, so that a plain SYN, sent later to
    fall back, is answered with MP_CAPABLE again: the connection never opens (measured, 6.18).

    Limits: a path that is dead in this direction looks the same on one connection; `diagnose` asks
    the plain TCP connections between the same machines.  From one capture nothing can be said: the
    opener's looks as if the SYN had been lost, the listener's as if the opener had gone.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the frames in vain and ``synacks_lost``, ``confirmed`` where a plain SYN/ACK
        did arrive, else ``likely``; ``NOT_SEEN`` if one arrived, whatever it had then.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if subflow is None:
        return verdict.not_measured("the first subflow is not in the captures")
    if connection.one_sided or subflow.listener.sent is None:
        return _from_opener(verdict, subflow)
    return _from_both(verdict, subflow, subflow.listener.sent)


def _from_both(verdict: Verdict, subflow: PairedSubflow, sent: Half) -> Finding:
    """Judge by which SYN/ACK arrived."""
    lane, steps = subflow.listener, subflow.handshake.synacks
    offered = [r for r in steps.at_sender.tolist() if carries(sent, r, Subtype.MP_CAPABLE)]
    passed = [c for c in steps.arrived if c.sent in set(offered)]
    if passed or (offered and len(steps.appeared)):
        return verdict.not_seen(
            "a SYN/ACK that was sent with MP_CAPABLE arrived",
            subflow=subflow,
            direction=lane.direction,
            evidence=frames_of(sent, [c.sent for c in passed[:1]]),
        )
    if not offered:
        return verdict.not_measured(f"the {sender(lane)} sent no SYN/ACK with MP_CAPABLE")
    if len(offered) < _LEAST_LOST:
        lost = counted(len(offered), "SYN/ACK")
        return verdict.not_measured(f"cannot tell: {ID}, or {lost} lost by chance")
    plain = bool(steps.arrived)
    return verdict.seen(
        f"{counted(len(offered), 'SYN/ACK')} with MP_CAPABLE left the {sender(lane)} and none"
        f" reached the {receiver(lane)}"
        + ("; the plain SYN/ACK did" if plain else "; the connection never opened"),
        subflow=subflow,
        direction=lane.direction,
        evidence=frames_of(sent, offered[:_LEAST_LOST]),
        confidence=Confidence.CONFIRMED if plain else Confidence.LIKELY,
        measures={"synacks_lost": len(offered)},
    )


def _from_opener(verdict: Verdict, subflow: PairedSubflow) -> Finding:
    """Say what the opener's capture allows: a SYN/ACK that came with the option was not dropped."""
    received, steps = subflow.listener.received, subflow.handshake.synacks
    kept = [
        row
        for row in steps.at_receiver.tolist()
        if received is not None and carries(received, row, Subtype.MP_CAPABLE)
    ]
    if kept:
        return verdict.not_seen(
            "a SYN/ACK arrived with MP_CAPABLE",
            subflow=subflow,
            direction=subflow.listener.direction,
            evidence=frames_of(received, kept[:1]),
        )
    return verdict.not_measured(
        f"the capture of the {sender(subflow.listener)} does not hold a SYN/ACK"
    )
