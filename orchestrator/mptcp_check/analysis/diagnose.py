"""Judge two captures: every detector on every connection, causes told from consequences."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.connection_outcome import ConnectionOutcome, connection_outcome
from mptcp_check.analysis.detectors import (
    address_translated,
    mp_capable_removed_from_syn,
    mp_capable_removed_from_synack,
    mp_capable_syn_dropped,
    mp_join_removed,
    payload_altered,
)
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import ClockOffset, PairedConnection
from mptcp_check.analysis.reporting.words import NO_DETECTOR
from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.model import Finding, Side, State

RULES_VERSION: Final = "1"
"""Raised with every change of a rule, so that a stored verdict names the rules it followed."""

DETECTORS: Final[Mapping[str, Callable[[PairedConnection], Finding]]] = {
    module.ID: module.detect
    for module in (
        mp_capable_removed_from_syn,
        mp_capable_removed_from_synack,
        mp_capable_syn_dropped,
        mp_join_removed,
        payload_altered,
        address_translated,
    )
}
"""By behaviour, in the order of the catalogue."""

CONSEQUENCES: Final[Mapping[str, frozenset[str]]] = {
    "connection_proxied": frozenset(
        {
            "mp_capable_removed_from_syn",
            "mp_capable_removed_from_synack",
            "sequence_numbers_rewritten",
            "address_translated",
            "segments_split",
            "segments_coalesced",
            "tcp_option_removed",
            "tcp_option_altered",
            "window_altered",
            "ttl_altered",
        }
    ),
    "mp_capable_removed_from_syn": frozenset({"mp_capable_removed_from_synack"}),
    "mp_capable_syn_dropped": frozenset(
        {"mp_capable_removed_from_syn", "mp_capable_removed_from_synack"}
    ),
    "payload_resized": frozenset({"payload_altered"}),
}
"""The order of blame: what each behaviour makes others see on the same connection."""

_FEW_LOST: Final = 3
"""Below this many SYNs lost in a row, chance is believed if other SYNs got through."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Diagnosis:
    """Everything that two captures say, with the rules that said it."""

    captures: Mapping[Side, Capture]
    connections: tuple[PairedConnection, ...]
    outcomes: tuple[ConnectionOutcome, ...]
    """Of the connections, in their order."""
    findings: tuple[Finding, ...]
    """Each detector once per connection, then each behaviour without a detector once."""
    explained_by: Mapping[int, int]
    """Index of a finding that is a consequence -> index of the finding that is its cause."""
    clock: ClockOffset | None
    problems: tuple[str, ...]
    """What is wrong with the captures as a pair, in words; empty if nothing is."""

    @property
    def judged(self) -> bool:
        """Whether the captures say anything of a path: one has packets, two a common connection."""
        return any(len(c.views) == len(self.captures) for c in self.connections)

    @property
    def causes(self) -> tuple[Finding, ...]:
        """What was seen and is no consequence of something else that was seen."""
        return tuple(
            finding
            for index, finding in enumerate(self.findings)
            if finding.state is State.SEEN and index not in self.explained_by
        )


def diagnose(client: Capture, server: Capture | None) -> Diagnosis:
    """Judge what the path between two captures did.

    Args:
        client: The capture taken at the client's machine, or the only one.
        server: The capture taken at the server's machine, if there is one.
    """
    connections = pair(client, server)
    judged = [detect(c) for c in connections for detect in DETECTORS.values()]
    captures = {Side.CLIENT: client}
    if server is not None:
        captures[Side.SERVER] = server
    if not any(len(c.views) == len(captures) for c in connections):
        judged = [_taken_back(finding) for finding in judged]
    findings = (*chance_before_blame(judged, connections), *_not_looked_for())
    return Diagnosis(
        captures=captures,
        connections=connections,
        outcomes=tuple(connection_outcome(connection) for connection in connections),
        findings=findings,
        explained_by=blame(findings),
        clock=next((c.clock for c in connections if c.clock is not None), None),
        problems=tuple(_problems(connections, captures)),
    )


def _taken_back(finding: Finding) -> Finding:
    """Return what was seen as not measured: captures without anything in common show no path."""
    if finding.state is not State.SEEN:
        return finding
    because = "the two captures have no connection in common, so they do not show one path"
    return replace(finding, state=State.NOT_MEASURED, because=because)


def blame(findings: Sequence[Finding]) -> dict[int, int]:
    """Find the cause of each finding that is only a consequence.

    Args:
        findings: Of any number of connections.

    Returns:
        Index of the consequence -> index of its cause, both seen on the same connection.
    """
    seen: dict[int | None, dict[str, int]] = defaultdict(dict)
    for index, finding in enumerate(findings):
        if finding.state is State.SEEN:
            seen[finding.connection][finding.behaviour] = index
    return {
        by_behaviour[consequence]: cause
        for by_behaviour in seen.values()
        for behaviour, cause in by_behaviour.items()
        for consequence in CONSEQUENCES.get(behaviour, frozenset())
        if consequence in by_behaviour
    }


def chance_before_blame(
    findings: Sequence[Finding], connections: Sequence[PairedConnection]
) -> tuple[Finding, ...]:
    """Take back accusations that rest on few lost SYNs where others passed on the same path.

    A middlebox that drops SYNs with MP_CAPABLE drops them all: one connection whose SYN arrived
    with the option, between the same machines and to the same port, makes loss the better guess.
    """
    places = {c.id: _place(c) for c in connections}
    passed = {
        places[finding.connection]
        for finding in findings
        if finding.behaviour == mp_capable_syn_dropped.ID
        and finding.state is State.NOT_SEEN
        and finding.connection is not None
    }
    return tuple(
        replace(
            finding,
            state=State.NOT_MEASURED,
            because=f"{finding.because}; but SYNs of other connections passed, so it may be loss",
        )
        if _rests_on_few(finding) and places.get(finding.connection or 0) in passed
        else finding
        for finding in findings
    )


def _rests_on_few(finding: Finding) -> bool:
    return (
        finding.behaviour == mp_capable_syn_dropped.ID
        and finding.state is State.SEEN
        and finding.measures.get("unanswered_syns", 0) < _FEW_LOST
    )


def _place(connection: PairedConnection) -> tuple[str, str, int]:
    view = connection.subflows[0].views
    subflow = view.get(connection.client_side) or next(iter(view.values()))
    return subflow.client.address, subflow.server.address, subflow.server.port


def _not_looked_for() -> Iterable[Finding]:
    return (
        Finding(behaviour=behaviour, state=State.NOT_MEASURED, because=NO_DETECTOR)
        for behaviour in BEHAVIOURS
        if behaviour not in DETECTORS
    )


def _problems(
    connections: Sequence[PairedConnection], captures: Mapping[Side, Capture]
) -> Iterable[str]:
    for side, capture in captures.items():
        if not len(capture.packets):
            yield f"the {side}'s capture holds no TCP segment"
    if len(captures) < len(Side) or not all(len(c.packets) for c in captures.values()):
        return
    common = [c for c in connections if len(c.views) == len(Side)]
    if not common:
        yield "the two captures have no connection in common: are they of the same exchange?"
    elif all(c.client_side is Side.SERVER for c in common):
        yield "every connection was opened at the server's end: are the two captures swapped?"
