"""What became of an exchange: packets first, then what the applications and kernels say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mptcp_check.analysis.connection_outcome import ConnectionOutcome
from mptcp_check.analysis.handover import HandoverSeen
from mptcp_check.analysis.joinable import JOINABLE_BYTES
from mptcp_check.model import Exchange, Finding, Outcome, State, Transport

WORST_FIRST: Final = (
    Outcome.CORRUPTED,
    Outcome.HUNG,
    Outcome.TIMED_OUT,
    Outcome.REFUSED,
    Outcome.UNSTABLE,
    Outcome.FELL_BACK_AT_HANDSHAKE,
    Outcome.FELL_BACK_AT_FIRST_DATA,
    Outcome.FELL_BACK_MIDSTREAM,
    Outcome.MPTCP_DEGRADED,
    Outcome.MPTCP,
    Outcome.UNREACHABLE,
    Outcome.TCP_BROKE,
    Outcome.TCP,
    Outcome.NOT_MEASURED,
)
"""What a report leads with; ``corrupted`` and ``hung`` should never happen (behaviours.md)."""

_FALLBACK_COUNTERS: Final = (
    "MPTcpExtMPCapableFallbackSYNACK",
    "MPTcpExtMPCapableFallbackACK",
    "MPTcpExtMPCapableDataFallback",
    "MPTcpExtDssFallback",
)
_DISABLED_COUNTER: Final = "MPTcpExtMPCapableSYNTXDisabled"
_OVER_MPTCP: Final = frozenset({Outcome.MPTCP, Outcome.MPTCP_DEGRADED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What applications and kernels say of one exchange; the packets are asked elsewhere."""

    finished: bool
    """The client program ended by itself and reported success."""
    deadline_hit: bool
    """The hard deadline passed and it was killed."""
    refused: bool = False
    """The program reported that the connection was refused or reset."""
    sha256_ok: bool | None = None
    """Whether exactly what was sent arrived; none if nothing arrived that could be compared."""
    proven: bool | None = None
    """Whether the counters of both ends prove the transport that was asked for."""
    proof_reason: str = ""
    """Why they do not."""
    problem: str = ""
    """What the program said last, in one line."""
    client_counters: Mapping[str, int] = field(default_factory=dict[str, int])
    """By how much each kernel counter moved."""
    server_counters: Mapping[str, int] = field(default_factory=dict[str, int])
    handover: HandoverSeen | None = None
    """What became of a handover; none where the exchange had none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An outcome, why, and which witnesses do not fit."""

    outcome: Outcome
    because: str
    contradictions: tuple[str, ...] = ()
    """Sentences: what counters or hashes say that the packets do not."""


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Return what a report leads with; ``not_measured`` of nothing at all."""
    return min(outcomes, key=WORST_FIRST.index, default=Outcome.NOT_MEASURED)


def exchange_outcome(
    exchange: Exchange,
    witness: Witness,
    connections: Sequence[ConnectionOutcome],
    findings: Sequence[Finding] = (),
    *,
    control: Outcome | None = None,
) -> Judgement:
    """Say what became of an exchange.

    Args:
        exchange: What was planned.
        witness: What applications and kernels say.
        connections: Outcomes of the connections that belong to it, by the packets.
        findings: What was found on those connections.
        control: Outcome of the same exchange over plain TCP, if it ran.

    Returns:
        ``corrupted`` before all else; a failure that the control shares is ``unreachable``, as it
        is not Multipath TCP's fault; otherwise the worst of the connections.
    """
    if exchange.transport is Transport.TCP:
        judged = _control(witness)
    else:
        judged = (
            _corrupted(witness)
            or _failed(witness, connections, control)
            or _by_packets(exchange, witness, connections)
        )
    contradictions = (
        ()
        if exchange.transport is Transport.TCP
        else tuple(_contradictions(judged.outcome, witness, findings))
    )
    return Judgement(outcome=judged.outcome, because=judged.because, contradictions=contradictions)


def of_tries(tries: Sequence[Judgement]) -> Judgement:
    """Return what is said of an exchange that was tried several times.

    Data that were wrong once are wrong; what else differs between tries is ``unstable``.

    Args:
        tries: At least one, in their order.
    """
    corrupted = next((t for t in tries if t.outcome is Outcome.CORRUPTED), None)
    if len({t.outcome for t in tries}) == 1:
        return tries[0]
    if corrupted is not None:
        return replace(corrupted, because=f"in one of {len(tries)} tries {corrupted.because}")
    went = ", then ".join(t.outcome.value.replace("_", " ") for t in tries)
    return Judgement(
        outcome=Outcome.UNSTABLE,
        because=f"{len(tries)} tries, and they differ: {went}",
        contradictions=tuple(dict.fromkeys(c for t in tries for c in t.contradictions)),
    )


def _control(witness: Witness) -> Judgement:
    corrupted = _corrupted(witness)
    if corrupted is not None:
        return corrupted
    if witness.handover is not None:
        return _disturbed_control(witness, witness.handover)
    if witness.finished and not witness.deadline_hit and witness.sha256_ok is not False:
        return Judgement(outcome=Outcome.TCP, because="the data arrived whole over plain TCP")
    return Judgement(
        outcome=Outcome.UNREACHABLE,
        because=f"plain TCP failed: {witness.problem or 'the program did not finish'}",
    )


def _disturbed_control(witness: Witness, handover: HandoverSeen) -> Judgement:
    """Say what became of plain TCP when its path went away: dying is no failure of the path."""
    if not handover.began_ns:
        return Judgement(outcome=Outcome.NOT_MEASURED, because=handover.words(over_mptcp=False))
    whole = witness.finished and not witness.deadline_hit and witness.sha256_ok is not False
    return Judgement(
        outcome=Outcome.TCP if whole else Outcome.TCP_BROKE,
        because=handover.words(over_mptcp=False)
        if whole
        else f"plain TCP did not survive: {witness.problem or 'the program did not finish'}",
    )


def _corrupted(witness: Witness) -> Judgement | None:
    if witness.finished and not witness.deadline_hit and witness.sha256_ok is False:
        return Judgement(
            outcome=Outcome.CORRUPTED,
            because="the program reported success, and not the bytes that were sent arrived",
        )
    return None


def _failed(
    witness: Witness, connections: Sequence[ConnectionOutcome], control: Outcome | None
) -> Judgement | None:
    if witness.finished and not witness.deadline_hit:
        return None
    unanswered = (Outcome.TIMED_OUT, Outcome.NOT_MEASURED, Outcome.REFUSED)
    connected = any(c.outcome not in unanswered for c in connections)
    timed_out = any(c.outcome is Outcome.TIMED_OUT for c in connections)
    program = witness.problem or "the program failed"
    # the first row that holds
    rows = (
        (
            control not in {None, Outcome.TCP, Outcome.CORRUPTED, Outcome.UNSTABLE},
            Outcome.UNREACHABLE,
            "the same exchange over plain TCP failed too",
        ),
        (
            witness.deadline_hit and connected,
            Outcome.HUNG,
            "connected, and not done before the deadline",
        ),
        (witness.deadline_hit, Outcome.TIMED_OUT, "no connection before the deadline"),
        (timed_out and not witness.refused, Outcome.TIMED_OUT, "no SYN was answered"),
        (witness.refused or bool(connections), Outcome.REFUSED, program),
        (True, Outcome.NOT_MEASURED, program),
    )
    return next(
        Judgement(outcome=outcome, because=because) for holds, outcome, because in rows if holds
    )


def _by_packets(
    exchange: Exchange, witness: Witness, connections: Sequence[ConnectionOutcome]
) -> Judgement:
    """Judge an exchange whose data arrived whole by its connections."""
    if not connections:
        return Judgement(
            outcome=Outcome.NOT_MEASURED, because="no connection of it is in the captures"
        )
    plain = [c for c in connections if c.outcome is Outcome.TCP]
    if plain:
        return Judgement(
            outcome=Outcome.NOT_MEASURED,
            because=f"{len(plain)} of {len(connections)} connections never asked for Multipath TCP",
        )
    found = min(connections, key=lambda c: WORST_FIRST.index(c.outcome))
    subflows = max(c.subflows_count for c in connections)
    if witness.handover is not None and found.outcome in _OVER_MPTCP:
        return _after_handover(witness.handover, subflows)
    if found.outcome is Outcome.MPTCP and subflows < exchange.paths:
        if exchange.payload_bytes < JOINABLE_BYTES:
            because = "over before a further subflow could join"
            return Judgement(outcome=Outcome.MPTCP, because=because)
        return Judgement(
            outcome=Outcome.MPTCP_DEGRADED,
            because=f"{subflows} of {exchange.paths} subflows came about",
        )
    return Judgement(outcome=found.outcome, because=found.because)


def _after_handover(handover: HandoverSeen, subflows: int) -> Judgement:
    """Judge a transfer that arrived whole, and whose first path this program took away itself."""
    if not handover.began_ns:
        outcome = Outcome.NOT_MEASURED
    elif subflows > 1:
        outcome = Outcome.MPTCP
    else:  # nothing to go on over: it waited for its only path, as TCP does
        outcome = Outcome.MPTCP_DEGRADED
    return Judgement(outcome=outcome, because=handover.words(over_mptcp=True))


def _contradictions(outcome: Outcome, witness: Witness, findings: Sequence[Finding]) -> list[str]:
    """Say where the kernels' counters or the hashes do not fit the packets."""
    said = []
    moved = [
        name
        for name in _FALLBACK_COUNTERS
        for counters in (witness.client_counters, witness.server_counters)
        if counters.get(name)
    ]
    if outcome in _OVER_MPTCP and moved:
        said.append(
            f"the packets show Multipath TCP to the end, but a kernel counted {', '.join(moved)}"
        )
    if outcome in _OVER_MPTCP and witness.proven is False:
        said.append(
            "the packets show Multipath TCP, but the kernels' counters do not prove it:"
            f" {witness.proof_reason}"
        )
    if witness.client_counters.get(_DISABLED_COUNTER):
        said.append(
            "the client's kernel had switched Multipath TCP off after an earlier black hole"
            f" ({_DISABLED_COUNTER})"
        )
    altered = [f for f in findings if f.behaviour == "payload_altered"]
    if outcome is Outcome.CORRUPTED and altered and all(f.state is State.NOT_SEEN for f in altered):
        said.append("the hashes differ, but the captures show no changed byte")
    return said
