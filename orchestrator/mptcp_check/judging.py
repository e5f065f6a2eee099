"""From facts to verdicts: each exchange with its connections, its witnesses and its control."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mptcp_check.analysis.diagnose import Diagnosis
from mptcp_check.analysis.outcome import Judgement, Witness, exchange_outcome
from mptcp_check.exchanges.plan import control_of
from mptcp_check.exchanges.record import ExchangeRecord
from mptcp_check.model import Finding, Outcome, Transport

REFUSED_WORDS = ("refused", "reset")
"""What curl says when a RST answered: 'Connection refused', 'Connection reset by peer'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedExchange:
    """An exchange with everything that is known of it."""

    record: ExchangeRecord
    connections: tuple[int, ...]
    """Indices into the diagnosis."""
    findings: tuple[int, ...]
    """Indices of what was seen on its connections."""
    subflow_count: int
    """Complete subflows of all its connections, as the packets show them."""
    judgement: Judgement


def judge(records: Sequence[ExchangeRecord], diagnosis: Diagnosis) -> tuple[JudgedExchange, ...]:
    """Judge every exchange of a run, the controls first, as the others lean on them.

    Args:
        records: The exchanges in the order in which they ran.
        diagnosis: Of the run's two captures.
    """
    belongs = connections_by_exchange(records, diagnosis)
    plan = [r.exchange for r in records]
    judged: dict[int, JudgedExchange] = {}
    for record in sorted(records, key=lambda r: r.exchange.transport is not Transport.TCP):
        control = control_of(record.exchange, plan)
        known = judged.get(control.id) if control is not None else None
        judged[record.exchange.id] = _judge(
            record,
            belongs[record.exchange.id],
            diagnosis,
            control=known.judgement.outcome if known is not None else None,
        )
    return tuple(judged[e.id] for e in plan)


def connections_by_exchange(
    records: Sequence[ExchangeRecord], diagnosis: Diagnosis
) -> Mapping[int, tuple[int, ...]]:
    """Return for each exchange the connections that began while it ran.

    The exchanges run one after the other, so a connection belongs to the last one that had begun
    when its first segment was sent, by the client's clock.
    """
    ordered = sorted(records, key=lambda r: r.start_ns)
    starts_ns = [r.start_ns for r in ordered]
    found: dict[int, list[int]] = {r.exchange.id: [] for r in records}
    for index, connection in enumerate(diagnosis.connections):
        place = bisect_right(starts_ns, connection.start_ns) - 1
        if place >= 0:
            found[ordered[place].exchange.id].append(index)
    return {i: tuple(indices) for i, indices in found.items()}


def witness(record: ExchangeRecord) -> Witness:
    """Return what the applications and the kernels say of an exchange."""
    words = (record.problem or "").lower()
    return Witness(
        finished=record.exit_code == 0,
        deadline_hit=record.timed_out,
        refused=any(word in words for word in REFUSED_WORDS),
        sha256_ok=None if record.arrived is None else record.sha256_ok,
        proven=record.proof.proven,
        proof_reason=record.proof.reason,
        problem=record.problem or "",
        client_counters=_moved(record.before.client, record.after.client),
        server_counters=_moved(record.before.server, record.after.server),
    )


def _judge(
    record: ExchangeRecord,
    connections: tuple[int, ...],
    diagnosis: Diagnosis,
    *,
    control: Outcome | None,
) -> JudgedExchange:
    ids = {diagnosis.connections[i].id for i in connections}
    of_these: list[Finding] = [f for f in diagnosis.findings if f.connection in ids]
    outcomes = [diagnosis.outcomes[i] for i in connections]
    return JudgedExchange(
        record=record,
        connections=connections,
        findings=tuple(i for i, f in enumerate(diagnosis.findings) if f.connection in ids),
        subflow_count=sum(o.subflows_count for o in outcomes),
        judgement=exchange_outcome(
            record.exchange, witness(record), outcomes, of_these, control=control
        ),
    )


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0)
    }
