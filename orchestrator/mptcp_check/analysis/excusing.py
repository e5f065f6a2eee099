"""A diagnosis that accuses nobody of what the check did itself: handovers are no path's doing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mptcp_check.analysis import handover
from mptcp_check.analysis.connection_outcome import ConnectionOutcome
from mptcp_check.analysis.diagnose import Diagnosis, blame
from mptcp_check.analysis.handover import HandoverSeen
from mptcp_check.model import Finding, Outcome, Side, Upset


def excused(diagnosis: Diagnosis, disturbed: Mapping[int, HandoverSeen]) -> Diagnosis:
    """Return a diagnosis without what follows from handovers.

    Args:
        diagnosis: By the packets alone.
        disturbed: The handovers by the connections that they met.
    """
    if not disturbed:
        return diagnosis
    findings = tuple(
        handover.excused(f, disturbed[f.connection], _last_evidence_ns(diagnosis, f))
        if f.connection is not None and f.connection in disturbed
        else f
        for f in diagnosis.findings
    )
    outcomes = tuple(
        _undisturbed(outcome, disturbed[connection.id]) if connection.id in disturbed else outcome
        for connection, outcome in zip(diagnosis.connections, diagnosis.outcomes, strict=True)
    )
    return replace(diagnosis, findings=findings, outcomes=outcomes, explained_by=blame(findings))


def met(diagnosis: Diagnosis, handovers: Iterable[HandoverSeen]) -> dict[int, HandoverSeen]:
    """Return which connections were open when something was done to their path.

    Args:
        diagnosis: Of captures that hold the handovers.
        handovers: What was done, by the client machine's clock.
    """
    return {
        connection.id: seen
        for seen in handovers
        for connection in diagnosis.connections
        if seen.began_ns and connection.start_ns <= seen.began_ns <= connection.end_ns
    }


def told(document: Mapping[str, Any]) -> Iterator[HandoverSeen]:
    """Give the handovers that a run's document tells of, for who has nothing but that.

    Args:
        document: ``mptcp-check.run/1``, of any version, from anybody.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: It is no such document.
    """
    for exchange in document["exchanges"]:
        for one in exchange.get("tries") or [exchange]:
            said = one.get("handover")
            if said is not None:
                yield HandoverSeen(
                    upset=Upset(said["upset"]),
                    began_ns=_whole(said["began_ns"]),
                    ended_ns=_whole(said["ended_ns"]),
                )


def _whole(value: object) -> int:
    if not isinstance(value, int):  # int() of what JSON calls Infinity is another error
        raise TypeError(f"{value!r} is no time")
    return value


def _undisturbed(outcome: ConnectionOutcome, seen: HandoverSeen) -> ConnectionOutcome:
    """Return the outcome of a connection whose first subflow this program cut itself."""
    if outcome.outcome is not Outcome.MPTCP_DEGRADED or not seen.began_ns:
        return outcome
    return replace(outcome, outcome=Outcome.MPTCP, because=handover.ACTED.format(seen.act))


def _last_evidence_ns(diagnosis: Diagnosis, finding: Finding) -> int | None:
    """Return the time of the last frame that a finding rests on, by the client machine's clock."""
    clock = diagnosis.clock
    ahead_ns = {Side.CLIENT: 0, Side.SERVER: 0 if clock is None else clock.middle_ns}
    times = []
    for evidence in finding.evidence:
        packets = diagnosis.captures[evidence.side].packets
        place = int(packets.frame.searchsorted(packets.frame.dtype.type(evidence.frame)))
        if place < len(packets):
            times.append(int(packets.time_ns[place]) - ahead_ns[evidence.side])
    return max(times, default=None)
