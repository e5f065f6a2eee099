"""A middlebox sends a RST that neither end sent."""

from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.packets import Flag, Subtype
from mptcp_check.analysis.field_changes import ONE_CAPTURE
from mptcp_check.analysis.pairing.lane_crossing import NOWHERE, Origin
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.paired import Half, Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.pairing.path_copies import without_copies
from mptcp_check.analysis.pairing.resets import refusal
from mptcp_check.analysis.verdict import Verdict, counted, frames_of, receiver, sender
from mptcp_check.model import Confidence, Direction, Finding

ID = "reset_injected"

_SHOWN: Final = 3
_APPEARED: Final = 1 << Origin.APPEARED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forged:
    """RSTs on one lane that its sender did not send."""

    subflow: PairedSubflow
    lane: Lane
    received: Half
    rows: tuple[int, ...]


def detect(connection: PairedConnection) -> Finding:
    """Say whether a RST reached an end though the other end's capture shows that it sent none.

    RFC 9293, section 3.5.2.  A RST that answers a SYN with MP_CAPABLE or MP_JOIN is named by
    `mp_capable_syn_reset` and `mp_join_reset`.  A host that refuses a subflow or aborts sends its
    RST itself, so that its own capture has it.

    Limits: a capture that is known to have lost packets may have lost the RST too; then nothing
    is said.  One capture shows no sender.  A second copy of a RST that was sent is the path's.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the RSTs and ``resets``; ``both`` ends reset is one finding.
    """
    verdict = Verdict(ID, connection)
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    forged = [
        found
        for subflow in connection.subflows
        for lane in subflow.lanes.values()
        if (found := _forged(subflow, lane)) is not None
    ]
    if not forged:
        return verdict.not_seen("every RST that arrived was sent by the other end, or none came")
    first = forged[0]
    lane = first.lane
    total = sum(len(one.rows) for one in forged)
    directions = {one.lane.direction for one in forged}
    # a proxy's second connection would be a stranger's whole conversation, not a RST alone
    sure = first.subflow.is_one_connection
    return verdict.seen(
        f"{counted(total, 'RST')} reached the {receiver(lane)} that the {sender(lane)} never sent",
        subflow=first.subflow,
        direction=lane.direction if len(directions) == 1 else Direction.BOTH,
        evidence=frames_of(first.received, first.rows[:_SHOWN]),
        confidence=Confidence.CONFIRMED if sure else Confidence.LIKELY,
        measures={"resets": total},
    )


def _forged(subflow: PairedSubflow, lane: Lane) -> _Forged | None:
    received = lane.received
    if received is None or not lane.crossing.origin_bits & _APPEARED:
        return None
    packets = received.capture.packets
    appeared = received.rows[lane.crossing.origins == Origin.APPEARED]
    resets = appeared[(packets.flags[appeared] & Flag.RST) != 0]
    rows = without_copies(lane, received, resets).tolist()
    if not rows or _answers_an_option(subflow, lane) or _are_moved(lane, len(rows)):
        return None
    return _Forged(subflow=subflow, lane=lane, received=received, rows=tuple(rows))


def _are_moved(lane: Lane, count: int) -> bool:
    """Say whether as many RSTs of the sender are missing, on a stream whose length was changed.

    A RST has no payload to be known by, and its place moved with the stream's.
    """
    if lane.sent is None or not lane.byte_map.resized:
        return False
    gone = lane.sent.rows[lane.crossing.at_sender == NOWHERE]
    return int(((lane.sent.capture.packets.flags[gone] & Flag.RST) != 0).sum()) >= count


def _answers_an_option(subflow: PairedSubflow, lane: Lane) -> bool:
    """Say whether the RST is all that came back for a SYN with MP_CAPABLE or MP_JOIN."""
    opened, received = subflow.opener.sent, lane.received
    if lane is not subflow.listener or opened is None or received is None:
        return False
    if refusal(received) is None:
        return False
    syns = subflow.handshake.syns.at_sender
    return bool(len(carriers(opened, syns, Subtype.MP_CAPABLE, Subtype.MP_JOIN)))
