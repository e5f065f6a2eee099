"""A middlebox silently drops SYNs that carry MP_JOIN."""

from dataclasses import dataclass
from typing import Final

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.paired import Half, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, chosen, counted, frames_of, receiver, sender
from mptcp_check.model import Confidence, Finding

ID = "mp_join_dropped"

_LEAST_LOST: Final = 3
"""At 5 % loss three in a row are one attempt in 8000; fewer are chance."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """The SYNs of one further subflow."""

    subflow: PairedSubflow
    rows: tuple[int, ...]
    """Of the opener's capture, oldest first: those with MP_JOIN."""
    arrived: bool
    """Whether the listener got any of them, or answered."""


def detect(connection: PairedConnection) -> Finding:
    """Say whether none of a further subflow's SYNs reached the other end.

    The opener sends the SYN again and gives up; the connection goes on over its first subflow
    (RFC 8684, section 3.2).  A host that answers with a RST is another behaviour.

    Limits: a second path that carries nothing at all looks the same, as only SYNs with MP_JOIN
    are ever sent on it; the finding is ``likely`` unless the connection's first subflow passed
    between the very same addresses.  One capture does not show whether a SYN arrived.

    Args:
        connection: A connection at both ends, or at one.

    Returns:
        ``SEEN`` with the SYNs in vain, ``unanswered_syns`` and ``subflows_count``; ``NOT_SEEN`` if
        a join of this connection arrived and none was lost for good.
    """
    verdict = Verdict(ID, connection)
    tried = [t for subflow in connection.joins if (t := _tried(subflow)) is not None]
    if not tried:
        return verdict.not_measured("no SYN with MP_JOIN is in the opener's capture")
    if connection.one_sided:
        return _from_one_end(verdict, tried)
    lost = [t for t in tried if not t.arrived and len(t.rows) >= _LEAST_LOST]
    if not lost:
        passed = [t for t in tried if t.arrived]
        if not passed:
            few = max(len(t.rows) for t in tried)
            return verdict.not_measured(
                f"cannot tell: {ID}, or {counted(few, 'SYN')} with MP_JOIN lost by chance"
            )
        return verdict.not_seen(
            f"{counted(len(passed), 'SYN')} with MP_JOIN arrived",
            subflow=passed[0].subflow,
            direction=passed[0].subflow.opening,
            evidence=frames_of(passed[0].subflow.opener.sent, passed[0].rows[:1]),
        )
    first = lost[0]
    lane = first.subflow.opener
    return verdict.seen(
        f"{counted(len(first.rows), 'SYN')} with MP_JOIN left the {sender(lane)} and none reached"
        f" the {receiver(lane)}",
        subflow=first.subflow,
        direction=lane.direction,
        evidence=frames_of(lane.sent, first.rows[:_SHOWN]),
        confidence=_confidence(connection, first.subflow),
        measures={"unanswered_syns": len(first.rows), "subflows_count": len(lost)},
    )


def _tried(subflow: PairedSubflow) -> _Tried | None:
    sent = subflow.opener.sent
    if sent is None:
        return None
    rows = carriers(sent, subflow.handshake.syns.at_sender, Subtype.MP_JOIN)
    if not len(rows):
        return None
    times = sent.capture.packets.time_ns
    answered = any(half is not None and len(half.rows) for half in _listening(subflow))
    return _Tried(
        subflow=subflow,
        rows=tuple(sorted(rows.tolist(), key=lambda row: int(times[row]))),
        arrived=bool(subflow.handshake.syns.arrived) or answered,
    )


def _listening(subflow: PairedSubflow) -> tuple[Half | None, ...]:
    """Return what shows that a SYN arrived though the capture at the listener lost it."""
    return subflow.opener.received, subflow.listener.sent, subflow.listener.received


def _from_one_end(verdict: Verdict, tried: list[_Tried]) -> Finding:
    answered = [t for t in tried if t.arrived]
    if answered:
        return verdict.not_seen(
            "a SYN with MP_JOIN was answered",
            subflow=answered[0].subflow,
            evidence=frames_of(answered[0].subflow.opener.sent, answered[0].rows[:1]),
        )
    return verdict.not_measured(
        chosen(
            (
                max(len(t.rows) for t in tried) < _LEAST_LOST,
                f"cannot tell: {ID}, or a SYN lost by chance",
            ),
            (True, f"cannot tell: {ID}, or answers that were dropped, or a path that is dead"),
        )
    )


def _confidence(connection: PairedConnection, subflow: PairedSubflow) -> Confidence:
    """Return ``confirmed`` where the first subflow passed between the same two addresses."""
    first = connection.initial
    if first is None or not first.views or not subflow.views:
        return Confidence.LIKELY
    mine, other = next(iter(subflow.views.values())), next(iter(first.views.values()))
    same = (mine.client.address, mine.server.address) == (
        other.client.address,
        other.server.address,
    )
    return Confidence.CONFIRMED if same else Confidence.LIKELY
