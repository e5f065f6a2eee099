"""A middlebox ends the connection in the middle and opens another one."""

from collections.abc import Iterator
from typing import Final

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.pairing.paired import Clue, Half, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, frames, receiver, sender
from mptcp_check.model import Confidence, Evidence, Finding, Side

ID = "connection_proxied"

_ENOUGH: Final = 2
"""Signs that make it sure; one alone may be a rewriting firewall's."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether the two ends speak with somebody in the middle and not with each other.

    Split proxies, SYN proxies, load balancers and the user-mode NAT of hypervisors end a TCP
    connection and open another one: initial sequence numbers are unrelated, options and windows
    are the box's own, and the SYN/ACK comes back before the server has sent one.

    Limits: a firewall that rewrites sequence numbers leaves the rest alone and is
    `sequence_numbers_rewritten`.  One capture does not show two connections.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with SYN and SYN/ACK at both ends and how many ``signs`` there are; ``confirmed``
        with two or more of: no number of one end is known at the other, the SYN/ACK came early,
        its options, window or segment size are another's.
    """
    verdict = Verdict(ID, connection)
    subflow = connection.initial
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    if subflow is None or len(subflow.views) < len(Side):
        return verdict.not_measured("the first subflow is not in both captures")
    unproven = _same_at_both_ends(subflow)
    if unproven is not None:
        return (verdict.not_seen if subflow.is_one_connection else verdict.not_measured)(unproven)
    listener = subflow.listener
    signs = list(_signs(connection, subflow))
    if not signs or (subflow.is_one_connection and len(signs) < _ENOUGH):
        return verdict.not_seen(
            "sequence numbers differ, and nothing else does: they were rewritten", subflow=subflow
        )
    return verdict.seen(
        f"what the {receiver(listener)} opened ends before the {sender(listener)}:"
        f" {', '.join(signs)}",
        subflow=subflow,
        direction=subflow.opening,
        evidence=_evidence(subflow),
        confidence=Confidence.CONFIRMED if len(signs) >= _ENOUGH else Confidence.LIKELY,
        measures={"signs": len(signs)},
    )


def _signs(connection: PairedConnection, subflow: PairedSubflow) -> Iterator[str]:
    lane = subflow.listener
    sent, received = lane.sent, lane.received
    if sent is None or received is None:
        return
    here, there = _synack(received), _synack(sent)
    if here is None or there is None:
        return
    if not subflow.is_one_connection:
        yield "no number of one end is known at the other"
    near, far = received.capture.packets, sent.capture.packets
    if connection.clock is not None and not connection.clock.sent_before(
        int(far.time_ns[there]), lane.sender, int(near.time_ns[here])
    ):
        yield "the SYN/ACK arrived before it was sent"
    if _kinds(received, here) != _kinds(sent, there):
        yield "the SYN/ACK has other options than MPTCP alone explains"
    if int(near.window[here]) != int(far.window[there]):
        yield "the SYN/ACK announces another window"
    if _addresses_differ(subflow):
        yield "addresses or ports differ as well"


def _same_at_both_ends(subflow: PairedSubflow) -> str | None:
    """Say why a subflow's two views need no somebody in the middle; none if they differ."""
    sent, received = subflow.listener.sent, subflow.listener.received
    if sent is None or received is None or _synack(sent) is None or _synack(received) is None:
        return (
            "numbers that only the ends make are the same at both"
            if subflow.is_one_connection
            else "a SYN/ACK is missing in one of the captures"
        )
    if sent.isn == received.isn and subflow.is_one_connection:
        return "the SYN/ACK that arrived is the one that the other end sent"
    return None


def _synack(half: Half) -> int | None:
    flags = half.capture.packets.flags[half.rows]
    found = half.rows[(flags & (Flag.SYN | Flag.ACK)) == Flag.SYN | Flag.ACK]
    return int(found[0]) if len(found) else None


def _kinds(half: Half, row: int) -> int:
    """Return the kinds of options of a SYN/ACK as bits; MPTCP, NOPs and list ends left out."""
    return int(half.capture.packets.option_kinds[row]) & ~(1 << 30 | 0b11)


def _addresses_differ(subflow: PairedSubflow) -> bool:
    return Clue.ADDRESSES not in subflow.paired_by and not subflow.is_one_connection


def _evidence(subflow: PairedSubflow) -> tuple[Evidence, ...]:
    rows: list[tuple[Half | None, int]] = []
    for half, wanted in (
        (subflow.opener.sent, Flag.SYN),
        (subflow.opener.received, Flag.SYN),
        (subflow.listener.sent, Flag.SYN | Flag.ACK),
        (subflow.listener.received, Flag.SYN | Flag.ACK),
    ):
        if half is None:
            continue
        flags = half.capture.packets.flags[half.rows]
        found = half.rows[(flags & (Flag.SYN | Flag.ACK)) == wanted]
        if len(found):
            rows.append((half, int(found[0])))
    return frames(*rows)
