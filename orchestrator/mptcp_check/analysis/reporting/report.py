"""The diagnosis as the document ``mptcp-check.report/1``: the contract of ``diagnose --json``."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mptcp_check.analysis.connection_outcome import ConnectionOutcome
from mptcp_check.analysis.diagnose import RULES_VERSION, Diagnosis
from mptcp_check.analysis.outcome import worst
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.reporting import summary
from mptcp_check.analysis.reporting.packet_view import packet_view
from mptcp_check.model import Direction, Evidence, Finding, Outcome, Side, State

SCHEMA: Final = "mptcp-check.report/1"


def document(
    diagnosis: Diagnosis, *, tool_version: str, outcome: Outcome | None = None
) -> dict[str, Any]:
    """Return the report as JSON has it.

    Args:
        diagnosis: What to report.
        tool_version: Version of this program.
        outcome: Of the whole, where exchanges were judged with more witnesses than packets; else
            the worst of the connections.
    """
    return {
        "schema": SCHEMA,
        "rules_version": RULES_VERSION,
        "tool_version": tool_version,
        "outcome": (outcome or packets_outcome(diagnosis)).value,
        "summary": list(summary.of_diagnosis(diagnosis)),
        "one_sided": Side.SERVER not in diagnosis.captures,
        "clock_offset_ns": None if diagnosis.clock is None else diagnosis.clock.middle_ns,
        "problems": list(diagnosis.problems),
        "connections": [
            _connection(connection, judged)
            for connection, judged in zip(diagnosis.connections, diagnosis.outcomes, strict=True)
        ],
        "findings": [
            _finding(finding, diagnosis.explained_by.get(index))
            for index, finding in enumerate(diagnosis.findings)
        ],
        "packets": list(_packets(diagnosis)),
    }


def packets_outcome(diagnosis: Diagnosis) -> Outcome:
    """Return the worst outcome of the connections, of plain TCP ones only if there is no other."""
    outcomes = [judged.outcome for judged in diagnosis.outcomes]
    tried = [o for o in outcomes if o not in {Outcome.TCP, Outcome.NOT_MEASURED}]
    return worst(tried or outcomes)


def _connection(connection: PairedConnection, judged: ConnectionOutcome) -> dict[str, Any]:
    side = next(s for s in Side if s in connection.views)
    view = connection.views[side][0]
    versions = [v.mptcp_version for views in connection.views.values() for v in views]
    tokens = [v.token_server for views in connection.views.values() for v in views]
    token = next((t for t in tokens if t is not None), None)
    return {
        "id": connection.id,
        "client": str(view.client),
        "server": str(view.server),
        "opened_at": connection.client_side.value,
        "mptcp_version": next((v for v in versions if v is not None), None),
        "token": None if token is None else f"{token:08x}",
        "captured_at": [s.value for s in Side if s in connection.views],
        "start_ns": connection.start_ns,
        "end_ns": connection.end_ns,
        "subflows": [_subflow(subflow) for subflow in connection.subflows],
        "outcome": judged.outcome.value,
        "because": judged.because,
    }


def _subflow(subflow: PairedSubflow) -> dict[str, Any]:
    ends = {
        side.value: {"client": str(view.client), "server": str(view.server)}
        for side, view in subflow.views.items()
    }
    first = next(iter(subflow.views.values()))
    return {
        "id": subflow.id,
        "role": subflow.role.value,
        "client": str(first.client),
        "server": str(first.server),
        "ends": ends,
        "complete": all(view.complete for view in subflow.views.values()),
        "opened_by": "client" if subflow.opening is Direction.C2S else "server",
        "paired_by": [clue.value for clue in subflow.paired_by],
        "data_bytes_c2s": _stream_bytes(subflow.lanes[Direction.C2S]),
        "data_bytes_s2c": _stream_bytes(subflow.lanes[Direction.S2C]),
    }


def _stream_bytes(lane: Lane) -> int:
    """Return the length of one direction's stream, retransmissions counted once."""
    half = lane.received or lane.sent
    if half is None or not len(half.rows):
        return 0
    payload = half.capture.packets.payload_bytes[half.rows]
    carriers = payload > 0
    return int((half.starts + payload)[carriers].max(initial=0))


def _finding(finding: Finding, explained_by: int | None) -> dict[str, Any]:
    return {
        "behaviour": finding.behaviour,
        "state": finding.state.value,
        "direction": None if finding.direction is None else finding.direction.value,
        "connection": finding.connection,
        "subflow": finding.subflow,
        "confidence": finding.confidence.value,
        "because": finding.because,
        "evidence": [{"side": e.side.value, "frame": e.frame} for e in finding.evidence],
        "measures": {name: int(value) for name, value in finding.measures.items()},
        "explained_by": explained_by,
    }


def _packets(diagnosis: Diagnosis) -> Iterable[Mapping[str, Any]]:
    """Yield each frame that something seen rests on, once, so that the document shows it alone."""
    shown: set[Evidence] = set()
    for finding in diagnosis.findings:
        if finding.state is not State.SEEN:
            continue
        payload_from = finding.measures.get("segment_offset")
        for evidence in finding.evidence:
            if evidence in shown:
                continue
            shown.add(evidence)
            view = packet_view(
                diagnosis.captures[evidence.side],
                evidence.side,
                evidence.frame,
                payload_from=payload_from,
            )
            if view is not None:
                yield view
