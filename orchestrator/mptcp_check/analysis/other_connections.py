"""What other connections between the same machines say about a finding.

A detector sees one connection.  Whether a box minds Multipath TCP, or takes every connection, shows
only beside the plain TCP ones: they are the control.
"""

import enum
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.detectors import (
    mp_capable_syn_dropped,
    mp_capable_syn_reset,
    mp_capable_synack_dropped,
)
from mptcp_check.analysis.pairing.mptcp_options import carriers
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.pairing.resets import forged_resets, refusal
from mptcp_check.model import Confidence, Finding, State

_FEW_LOST: Final = 3
"""Below this many SYNs lost in a row, chance is believed if other SYNs got through."""

Place = tuple[str, str, int]
"""The client's address, the server's address and port, as the client's end sees them."""


class Control(enum.Enum):
    """How the handshake of a plain TCP connection went."""

    ANSWERED = enum.auto()
    ANSWER_LOST = enum.auto()
    """SYN/ACKs were sent and none arrived."""
    RESET = enum.auto()
    """A RST came that the other end never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What is known of a place besides one connection."""

    plain: frozenset[Control]
    """How plain TCP connections there went."""
    syn_passed: bool
    """Whether a SYN with MP_CAPABLE reached the other end there, on any connection."""


Revision = Callable[[Finding, Others], Finding]


def revised(
    findings: Sequence[Finding], connections: Sequence[PairedConnection]
) -> tuple[Finding, ...]:
    """Take back, or confirm, what other connections to the same place contradict or confirm.

    Args:
        findings: Of all connections.
        connections: All of them, plain TCP too.
    """
    places = {c.id: _place(c) for c in connections}
    plain: dict[Place, set[Control]] = defaultdict(set)
    for connection in connections:
        went = _plain_handshake(connection)
        if went is not None:
            plain[places[connection.id]].add(went)
    passed = {
        places[f.connection]
        for f in findings
        if f.behaviour == mp_capable_syn_dropped.ID
        and f.state is State.NOT_SEEN
        and f.connection is not None
    }
    return tuple(
        _REVISIONS[f.behaviour](
            f,
            Others(
                plain=frozenset(plain[places[f.connection]]),
                syn_passed=places[f.connection] in passed,
            ),
        )
        if f.state is State.SEEN and f.behaviour in _REVISIONS and f.connection is not None
        else f
        for f in findings
    )


def _syn_dropped(finding: Finding, others: Others) -> Finding:
    """A box that drops SYNs with MP_CAPABLE drops them all: one that passed makes it chance."""
    if not others.syn_passed or finding.measures.get("unanswered_syns", 0) >= _FEW_LOST:
        return finding
    return _taken_back(finding, "but SYNs of other connections passed, so it may be loss")


def _synack_dropped(finding: Finding, others: Others) -> Finding:
    if Control.ANSWERED in others.plain:
        return replace(
            finding,
            because=f"{finding.because}; a plain TCP connection was answered",
            confidence=Confidence.CONFIRMED,
        )
    if Control.ANSWER_LOST in others.plain:
        return _taken_back(finding, "but those of plain TCP connections did not arrive either")
    return finding


def _syn_reset(finding: Finding, others: Others) -> Finding:
    if Control.RESET in others.plain and Control.ANSWERED not in others.plain:
        return _taken_back(finding, "but plain TCP connections were reset as well")
    return finding


_REVISIONS: Final[Mapping[str, Revision]] = {
    mp_capable_syn_dropped.ID: _syn_dropped,
    mp_capable_synack_dropped.ID: _synack_dropped,
    mp_capable_syn_reset.ID: _syn_reset,
}


def _taken_back(finding: Finding, why: str) -> Finding:
    return replace(finding, state=State.NOT_MEASURED, because=f"{finding.because}; {why}")


def _place(connection: PairedConnection) -> Place:
    views = connection.subflows[0].views
    view = views.get(connection.client_side) or next(iter(views.values()))
    return view.client.address, view.server.address, view.server.port


def _plain_handshake(connection: PairedConnection) -> Control | None:
    """Say how a plain TCP connection opened; none for one that asked for Multipath TCP."""
    subflow = connection.initial
    if connection.one_sided or subflow is None or subflow.opener.sent is None:
        return None
    syns = subflow.handshake.syns.at_sender
    if not len(syns) or len(carriers(subflow.opener.sent, syns, Subtype.MP_CAPABLE)):
        return None
    if refusal(subflow.listener.received) is not None and forged_resets(
        subflow.listener, connection.clock
    ):
        return Control.RESET
    if subflow.handshake.synacks.arrived or len(subflow.handshake.synacks.appeared):
        return Control.ANSWERED
    return Control.ANSWER_LOST if len(subflow.handshake.synacks.vanished) else None
