"""A run as the document ``mptcp-check.run/1``: exchanges, their outcomes, and the report."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mptcp_check.analysis import handover
from mptcp_check.analysis.connection_outcome import ConnectionOutcome
from mptcp_check.analysis.diagnose import Diagnosis, blame
from mptcp_check.analysis.handover import HandoverSeen
from mptcp_check.analysis.outcome import (
    Judgement,
    Witness,
    exchange_outcome,
    of_tries,
    worst,
)
from mptcp_check.analysis.pairing.paired import PairedConnection
from mptcp_check.analysis.reporting import report, summary
from mptcp_check.model import (
    Direction,
    Exchange,
    Finding,
    Outcome,
    Side,
    State,
    Transfer,
    Transport,
)

SCHEMA: Final = "mptcp-check.run/1"

PLAIN: Final = frozenset({Outcome.TCP, Outcome.TCP_BROKE})
"""What says nothing of Multipath TCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One exchange as it ran: what a record of it comes down to."""

    exchange: Exchange
    start_ns: int
    """By the client machine's clock, which is also the clock of its capture."""
    end_ns: int
    duration_ns: int
    arrived_bytes: int
    witness: Witness
    attempt: int = 1
    """Which try of its exchange it was."""
    announced_count: int = 0
    """Addresses whose announcement reached its receiver, by the kernels' counters."""
    backup_joins_count: int = 0
    """Joins that arrived with the B bit, the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try of an exchange with its outcome."""

    observed: Observed
    judgement: Judgement
    connections: tuple[int, ...]
    findings: tuple[int, ...]
    subflows_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedExchange:
    """One exchange with its outcome and what belongs to it, of all its tries."""

    observed: Observed
    """The last try."""
    judgement: Judgement
    tries: tuple[Try, ...]
    connections: tuple[int, ...]
    """Identifiers of its connections."""
    findings: tuple[int, ...]
    """Places in the report's findings of what was seen on them."""
    subflows_count: int
    """Complete subflows of the connection that had most; 1 for plain TCP."""


def considered(diagnosis: Diagnosis, observed: Sequence[Observed]) -> Diagnosis:
    """Return a diagnosis that accuses nobody of what the check did itself.

    Args:
        diagnosis: Of the captures of the whole run, by the packets alone.
        observed: Every try of every exchange.
    """
    disturbed: dict[int, HandoverSeen] = {}
    for one in observed:
        if one.witness.handover is not None:
            own = _connections(diagnosis, one)
            seen = _measured(one, one.witness.handover, own)
            disturbed |= {connection.id: seen for connection in own}
    if not disturbed:
        return diagnosis
    findings = tuple(
        handover.excused(f, disturbed[f.connection], _last_evidence_ns(diagnosis, f))
        if f.connection in disturbed
        else f
        for f in diagnosis.findings
    )
    outcomes = tuple(
        _undisturbed(outcome, disturbed[connection.id]) if connection.id in disturbed else outcome
        for connection, outcome in zip(diagnosis.connections, diagnosis.outcomes, strict=True)
    )
    return replace(diagnosis, findings=findings, outcomes=outcomes, explained_by=blame(findings))


def judge_exchanges(
    diagnosis: Diagnosis, observed: Sequence[Observed]
) -> tuple[JudgedExchange, ...]:
    """Judge every exchange: the controls first, as a failure they share is not MPTCP's.

    Args:
        diagnosis: From `considered`.
        observed: Every try of every exchange, in the order in which they ran.
    """
    tries: dict[int, list[Observed]] = defaultdict(list)
    for one in observed:
        tries[one.exchange.id].append(one)
    controls: dict[tuple[object, ...], Outcome] = {}
    judged: dict[int, JudgedExchange] = {}
    for id_, own in sorted(tries.items(), key=lambda t: not t[1][0].exchange.is_control):
        exchange = own[0].exchange
        sized = (*exchange.control_key, exchange.payload_bytes)
        control = controls.get(sized, controls.get(exchange.control_key))
        result = _of_tries([_judge(diagnosis, one, control) for one in own])
        judged[id_] = result
        if exchange.is_control:
            controls[sized] = result.judgement.outcome
            controls.setdefault(exchange.control_key, result.judgement.outcome)
    return tuple(judged[id_] for id_ in tries)


def document(
    diagnosis: Diagnosis,
    judged: Sequence[JudgedExchange],
    *,
    tool_version: str,
    about: Mapping[str, Any],
    upload: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a run as JSON has it.

    Args:
        diagnosis: Of the captures of the whole run.
        judged: All exchanges, from `judge_exchanges`.
        tool_version: Version of this program.
        about: Fields that only the caller knows and that stand in the document as they are:
            ``run_id``, ``directory``, ``machine``, ``accelerator``, ``network``, ``server``, and
            what else it wants to keep (``started``, ``behind``, ``provenance``).
        upload: ``state`` and ``url``; none is a run that was not uploaded.
    """
    tried = [j.judgement.outcome for j in judged if j.judgement.outcome not in PLAIN]
    outcome = worst(tried) if tried else None
    return {
        "schema": SCHEMA,
        **about,
        "summary": list(summary.of_run(diagnosis, judged)),
        "exchanges": [_exchange(one) for one in judged],
        "report": report.document(diagnosis, tool_version=tool_version, outcome=outcome),
        "upload": dict(upload or {"state": "none", "url": None}),
    }


def _judge(diagnosis: Diagnosis, observed: Observed, control: Outcome | None) -> Try:
    own = _connections(diagnosis, observed)
    ids = tuple(connection.id for connection in own)
    witness = observed.witness
    if witness.handover is not None:
        witness = replace(witness, handover=_measured(observed, witness.handover, own))
        observed = replace(observed, witness=witness)
    outcomes = [diagnosis.outcomes[id_] for id_ in ids]
    places = [i for i, f in enumerate(diagnosis.findings) if f.connection in set(ids)]
    judgement = exchange_outcome(
        observed.exchange,
        witness,
        outcomes,
        [diagnosis.findings[i] for i in places],
        control=control,
    )
    return Try(
        observed=observed,
        judgement=judgement,
        connections=ids,
        findings=tuple(i for i in places if diagnosis.findings[i].state is State.SEEN),
        subflows_count=max((o.subflows_count for o in outcomes), default=0),
    )


def _connections(diagnosis: Diagnosis, observed: Observed) -> list[PairedConnection]:
    """Return the connections that began while a try ran: one exchange runs at a time."""
    return [
        connection
        for connection in diagnosis.connections
        if observed.start_ns <= connection.start_ns <= observed.end_ns
    ]


def _measured(
    observed: Observed, seen: HandoverSeen, own: Sequence[PairedConnection]
) -> HandoverSeen:
    if not seen.began_ns:
        return seen
    download = observed.exchange.direction is Transfer.DOWNLOAD
    direction = Direction.S2C if download else Direction.C2S
    found = handover.progress(
        own, direction=direction, began_ns=seen.began_ns, ended_ns=seen.ended_ns
    )
    return replace(seen, progress=found)


def _undisturbed(outcome: ConnectionOutcome, seen: HandoverSeen) -> ConnectionOutcome:
    """Return the outcome of a connection whose first subflow this program cut itself."""
    if outcome.outcome is not Outcome.MPTCP_DEGRADED or not seen.began_ns:
        return outcome
    return replace(outcome, outcome=Outcome.MPTCP, because=seen.words(over_mptcp=True))


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


def _of_tries(tries: Sequence[Try]) -> JudgedExchange:
    return JudgedExchange(
        observed=tries[-1].observed,
        judgement=of_tries([one.judgement for one in tries]),
        tries=tuple(tries),
        connections=tuple(id_ for one in tries for id_ in one.connections),
        findings=tuple(i for one in tries for i in one.findings),
        subflows_count=max(one.subflows_count for one in tries),
    )


def _exchange(judged: JudgedExchange) -> dict[str, Any]:
    exchange = judged.observed.exchange
    return {
        "app": exchange.app,
        "mode": exchange.mode,
        "direction": exchange.direction.value,
        "transport": exchange.transport.value,
        "checksum": exchange.checksum,
        "paths": exchange.paths,
        "joining": exchange.joining.value,
        "family": exchange.family.value,
        "port": exchange.port,
        "payload_bytes": exchange.payload_bytes,
        "outcome": judged.judgement.outcome.value,
        "because": judged.judgement.because,
        "contradictions": list(judged.judgement.contradictions),
        **_observed(judged.observed),
        "subflows": judged.subflows_count,
        "connections": list(judged.connections),
        "findings": list(judged.findings),
        "tries": [_try(one) for one in judged.tries],
    }


def _try(one: Try) -> dict[str, Any]:
    return {
        "outcome": one.judgement.outcome.value,
        "because": one.judgement.because,
        **_observed(one.observed),
        "connections": list(one.connections),
    }


def _observed(observed: Observed) -> dict[str, Any]:
    """Return the facts of one try."""
    witness = observed.witness
    return {
        "sha256_ok": witness.sha256_ok,
        "proven": witness.proven,
        "problem": witness.problem or None,
        "bytes": observed.arrived_bytes,
        "duration_ns": observed.duration_ns,
        "announced": observed.announced_count,
        "backup_joins": observed.backup_joins_count,
        "handover": None if witness.handover is None else _handover(observed, witness.handover),
    }


def _handover(observed: Observed, seen: HandoverSeen) -> dict[str, Any]:
    found = seen.progress
    over_mptcp = observed.exchange.transport is Transport.MPTCP
    return {
        "upset": seen.upset.value,
        "done": bool(seen.began_ns),
        "began_ns": seen.began_ns,
        "ended_ns": seen.ended_ns,
        "problem": seen.problem or None,
        "pause_ns": None if found is None else found.pause_ns,
        "went_on": None if found is None else bool(found.resumed_ns),
        "first_path_bytes": None if found is None else found.first_path_bytes,
        "other_paths_bytes": None if found is None else found.other_paths_bytes,
        "words": seen.words(over_mptcp=over_mptcp),
    }
