"""A run as the document ``mptcp-check.run/1``: exchanges, their outcomes, and the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mptcp_check.analysis.diagnose import Diagnosis
from mptcp_check.analysis.outcome import Judgement, Witness, exchange_outcome, worst
from mptcp_check.analysis.reporting import report, summary
from mptcp_check.model import Exchange, Outcome, State, Transport

SCHEMA: Final = "mptcp-check.run/1"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedExchange:
    """One exchange with its outcome and what belongs to it."""

    observed: Observed
    judgement: Judgement
    connections: tuple[int, ...]
    """Identifiers of its connections."""
    findings: tuple[int, ...]
    """Places in the report's findings of what was seen on them."""
    subflows_count: int
    """Complete subflows of the connection that had most; 1 for plain TCP."""


def judge_exchanges(
    diagnosis: Diagnosis, observed: Sequence[Observed]
) -> tuple[JudgedExchange, ...]:
    """Judge every exchange: the controls first, as a failure they share is not MPTCP's.

    Args:
        diagnosis: Of the captures of the whole run.
        observed: All exchanges, in the order in which they ran.
    """
    controls: dict[tuple[object, ...], Outcome] = {}
    judged: dict[int, JudgedExchange] = {}
    by_transport = sorted(observed, key=lambda o: o.exchange.transport is not Transport.TCP)
    for one in by_transport:
        key = one.exchange.control_key
        result = _judge(diagnosis, one, controls.get(key))
        judged[one.exchange.id] = result
        if one.exchange.transport is Transport.TCP:
            controls[key] = result.judgement.outcome
    return tuple(judged[one.exchange.id] for one in observed)


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
    tried = [j.judgement.outcome for j in judged if j.judgement.outcome is not Outcome.TCP]
    outcome = worst(tried) if tried else None
    return {
        "schema": SCHEMA,
        **about,
        "summary": list(summary.of_run(diagnosis, judged)),
        "exchanges": [_exchange(one) for one in judged],
        "report": report.document(diagnosis, tool_version=tool_version, outcome=outcome),
        "upload": dict(upload or {"state": "none", "url": None}),
    }


def _judge(diagnosis: Diagnosis, observed: Observed, control: Outcome | None) -> JudgedExchange:
    own = [
        connection.id
        for connection in diagnosis.connections
        if observed.start_ns <= connection.start_ns <= observed.end_ns
    ]
    outcomes = [diagnosis.outcomes[id_] for id_ in own]
    places = [i for i, f in enumerate(diagnosis.findings) if f.connection in set(own)]
    judgement = exchange_outcome(
        observed.exchange,
        observed.witness,
        outcomes,
        [diagnosis.findings[i] for i in places],
        control=control,
    )
    return JudgedExchange(
        observed=observed,
        judgement=judgement,
        connections=tuple(own),
        findings=tuple(i for i in places if diagnosis.findings[i].state is State.SEEN),
        subflows_count=max((o.subflows_count for o in outcomes), default=0),
    )


def _exchange(judged: JudgedExchange) -> dict[str, Any]:
    observed, exchange = judged.observed, judged.observed.exchange
    witness = observed.witness
    return {
        "app": exchange.app,
        "mode": exchange.mode,
        "direction": exchange.direction.value,
        "transport": exchange.transport.value,
        "checksum": exchange.checksum,
        "paths": exchange.paths,
        "family": exchange.family.value,
        "port": exchange.port,
        "outcome": judged.judgement.outcome.value,
        "because": judged.judgement.because,
        "contradictions": list(judged.judgement.contradictions),
        "sha256_ok": witness.sha256_ok,
        "proven": witness.proven,
        "problem": witness.problem or None,
        "bytes": observed.arrived_bytes,
        "duration_ns": observed.duration_ns,
        "subflows": judged.subflows_count,
        "connections": list(judged.connections),
        "findings": list(judged.findings),
    }
