"""Judge two captures: every detector on every connection, causes told from consequences."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.connection_outcome import ConnectionOutcome, connection_outcome
from mptcp_check.analysis.detectors import (
    ack_hole_altered,
    acked_by_middlebox,
    add_addr_removed,
    address_translated,
    checksum_invalid,
    connection_proxied,
    dscp_altered,
    ecn_cleared,
    hole_blocked,
    ip_id_altered,
    long_options_dropped,
    mp_capable_key_altered,
    mp_capable_removed_from_syn,
    mp_capable_removed_from_synack,
    mp_capable_syn_dropped,
    mp_capable_syn_reset,
    mp_capable_synack_dropped,
    mp_join_dropped,
    mp_join_removed,
    mp_join_reset,
    mptcp_data_dropped,
    mptcp_option_echoed,
    mptcp_option_removed_from_data,
    mptcp_option_removed_midstream,
    mss_clamped,
    option_padding_sensitive,
    path_blackholed,
    payload_altered,
    payload_resized,
    reserved_bits_cleared,
    reset_injected,
    retransmission_altered,
    segments_coalesced,
    segments_split,
    sequence_numbers_rewritten,
    tcp_option_altered,
    tcp_option_removed,
    timestamp_altered,
    ttl_altered,
    unknown_option_dropped,
    unknown_option_echoed,
    unknown_option_removed,
    urgent_pointer_cleared,
    window_altered,
    window_scale_altered,
)
from mptcp_check.analysis.other_connections import revised
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import ClockOffset, PairedConnection
from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.model import Finding, Side, State

RULES_VERSION: Final = "3"
"""Raised with every change of a rule, so that a stored verdict names the rules it followed."""

DETECTORS: Final[Mapping[str, Callable[[PairedConnection], Finding]]] = {
    module.ID: module.detect
    for module in (
        mp_capable_removed_from_syn,
        mp_capable_removed_from_synack,
        mp_capable_syn_dropped,
        mp_capable_synack_dropped,
        mp_capable_syn_reset,
        mptcp_option_echoed,
        mp_capable_key_altered,
        long_options_dropped,
        mp_join_removed,
        mp_join_dropped,
        mp_join_reset,
        add_addr_removed,
        address_translated,
        mptcp_option_removed_from_data,
        mptcp_option_removed_midstream,
        mptcp_data_dropped,
        payload_altered,
        payload_resized,
        segments_split,
        segments_coalesced,
        sequence_numbers_rewritten,
        acked_by_middlebox,
        retransmission_altered,
        hole_blocked,
        ack_hole_altered,
        connection_proxied,
        reset_injected,
        path_blackholed,
        mss_clamped,
        tcp_option_removed,
        tcp_option_altered,
        unknown_option_removed,
        unknown_option_echoed,
        unknown_option_dropped,
        option_padding_sensitive,
        window_altered,
        window_scale_altered,
        timestamp_altered,
        dscp_altered,
        ecn_cleared,
        ttl_altered,
        ip_id_altered,
        urgent_pointer_cleared,
        reserved_bits_cleared,
        checksum_invalid,
    )
}
"""By behaviour, in the order of the catalogue."""

_OF_ANOTHER_CONNECTION: Final = frozenset(
    {
        "mp_capable_removed_from_syn",
        "mp_capable_removed_from_synack",
        "mp_capable_syn_dropped",
        "mp_capable_synack_dropped",
        "mptcp_option_removed_from_data",
        "address_translated",
        "sequence_numbers_rewritten",
        "segments_split",
        "segments_coalesced",
        "acked_by_middlebox",
        "reset_injected",
        "mss_clamped",
        "tcp_option_removed",
        "tcp_option_altered",
        "window_altered",
        "window_scale_altered",
        "timestamp_altered",
        "dscp_altered",
        "ecn_cleared",
        "ttl_altered",
        "ip_id_altered",
    }
)
"""What two TCP connections in place of one look like, compared segment by segment."""

CONSEQUENCES: Final[Mapping[str, frozenset[str]]] = {
    "connection_proxied": _OF_ANOTHER_CONNECTION,
    "mp_capable_removed_from_syn": frozenset({"mp_capable_removed_from_synack"}),
    "mp_capable_syn_dropped": frozenset(
        {"mp_capable_removed_from_syn", "mp_capable_removed_from_synack"}
    ),
    "mptcp_option_echoed": frozenset({"mp_capable_removed_from_synack"}),
    "long_options_dropped": frozenset(
        {
            "mp_capable_syn_dropped",
            "mp_capable_synack_dropped",
            "mp_join_dropped",
            "mptcp_data_dropped",
            "path_blackholed",  # where all that is left to send is long
        }
    ),
    "mptcp_data_dropped": frozenset({"path_blackholed"}),  # as its sender sends nothing else
    "mptcp_option_removed_from_data": frozenset(
        {"mptcp_option_removed_midstream", "add_addr_removed", "mp_join_removed"}
    ),
    "mptcp_option_removed_midstream": frozenset({"add_addr_removed", "mp_join_removed"}),
    "payload_resized": frozenset(
        {"payload_altered", "segments_split", "segments_coalesced", "ack_hole_altered"}
    ),
    "retransmission_altered": frozenset({"payload_altered"}),
    # who acknowledges early moves the window's end, and delivers by segments of its own
    "acked_by_middlebox": frozenset(
        {"segments_split", "segments_coalesced", "ack_hole_altered", "window_altered"}
    ),
    "unknown_option_dropped": frozenset({"long_options_dropped"}),
}
"""The order of blame: what each behaviour makes others see on the same connection."""


NO_CONNECTION: Final = "no connection is in the captures"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Diagnosis:
    """Everything that two captures say, with the rules that said it."""

    captures: Mapping[Side, Capture]
    connections: tuple[PairedConnection, ...]
    outcomes: tuple[ConnectionOutcome, ...]
    """Of the connections, in their order."""
    findings: tuple[Finding, ...]
    """Each detector once per connection; without any connection each behaviour once."""
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
    findings = (*revised(judged, connections), *_not_looked_for(connections))
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


def _not_looked_for(connections: Sequence[PairedConnection]) -> Iterable[Finding]:
    """Say of each behaviour that it was not looked for, where there was nothing to look at."""
    return (
        Finding(behaviour=behaviour, state=State.NOT_MEASURED, because=NO_CONNECTION)
        for behaviour in BEHAVIOURS
        if not connections
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
