"""What one exchange left: times, digests, counters, samples and the proof; PURE."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.proof import Counters, Proof, prove
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import Digest, ExchangeResult, HandoverDone, TimedText

HINT_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRecord:
    """Facts about one exchange; what they mean is decided elsewhere."""

    exchange: Exchange
    start_ns: int
    """By the client guest's clock, just before the client program started."""
    end_ns: int
    """By the client guest's clock, just after it ended or was killed."""
    duration_ns: int
    """By the client guest's clock that never goes back."""
    sent: Digest
    """What was sent, digested before."""
    arrived: Digest | None
    """What arrived at the other end; none when nothing did."""
    exit_code: int | None
    """Of the last program that ran; negative: killed by that signal; none: none ran."""
    timed_out: bool
    """The hard deadline passed and everything was killed: it hung."""
    before: Counters
    after: Counters
    proof: Proof
    samples: tuple[TimedText, ...]
    """ss at the client while it ran."""
    events: Mapping[str, tuple[TimedText, ...]]
    """Path manager events per side (``client``, ``server``), by that guest's clock."""
    dialogue: str
    """The end of what the client program said, with the application's own words."""
    transfer_times: str
    """curl's ``%{json}``, or nothing."""
    problem: str | None
    """What went wrong, in one line; none when exactly what was sent arrived."""
    attempt: int = 1
    """Which try of this exchange it is, from 1."""
    handover: HandoverDone | None = None
    """What was done to its first path, by the client's clock; none where nothing was to be."""

    @property
    def sha256_ok(self) -> bool:
        """Whether exactly what was sent arrived."""
        return self.arrived == self.sent

    @property
    def arrived_bytes(self) -> int:
        """How much arrived."""
        return 0 if self.arrived is None else self.arrived["bytes"]


def record(
    exchange: Exchange,
    result: ExchangeResult,
    *,
    offered: Digest | None,
    received: Digest | None,
    before: Counters,
    after: Counters,
    events: Mapping[str, tuple[TimedText, ...]],
    attempt: int = 1,
) -> ExchangeRecord:
    """Return the record of an exchange that ran.

    Args:
        exchange: What was planned.
        result: Of the client's ``exchange`` verb.
        offered: Of the server's ``offer`` verb, for a download.
        received: Of the server's ``received`` verb, for an upload.
        before: Counters before.
        after: Counters after both ends settled.
        events: Path manager events per side since ``start_ns``.
        attempt: Which try it is.

    Raises:
        ValueError: The digest of what was sent is missing: the caller's mistake.
    """
    upload = exchange.direction is Transfer.UPLOAD
    at_client = not upload or APPLICATIONS[exchange.app].comes_back
    sent = result["sent"] if upload else offered
    arrived = result["arrived"] if at_client else received
    if sent is None:
        raise ValueError("without the digest of what was sent nothing can be compared")
    return ExchangeRecord(
        exchange=exchange,
        start_ns=result["start_ns"],
        end_ns=result["end_ns"],
        duration_ns=result["duration_ns"],
        sent=sent,
        arrived=arrived,
        exit_code=result["exit_codes"][-1] if result["exit_codes"] else None,
        timed_out=result["timed_out"],
        before=before,
        after=after,
        proof=prove(exchange, before, after),
        samples=tuple(result["samples"]),
        events=events,
        dialogue=result["stderr_tail"],
        transfer_times=result["stdout_tail"],
        problem=_problem(exchange, result, sent, arrived),
        attempt=attempt,
        handover=result.get("handover"),
    )


def document(record: ExchangeRecord) -> dict[str, Any]:
    """Return a record as JSON has it, for the run directory."""
    exchange, proof = record.exchange, record.proof
    return {
        "exchange": {
            "id": exchange.id,
            "app": exchange.app,
            "mode": exchange.mode,
            "direction": exchange.direction.value,
            "transport": exchange.transport.value,
            "checksum": exchange.checksum,
            "paths": exchange.paths,
            "family": exchange.family.value,
            "port": exchange.port,
            "payload_bytes": exchange.payload_bytes,
            "deadline_s": exchange.deadline_s,
            "joining": exchange.joining.value,
            "handover": None if exchange.handover is None else asdict(exchange.handover),
        },
        "attempt": record.attempt,
        "handover": None if record.handover is None else dict(record.handover),
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "duration_ns": record.duration_ns,
        "sent": dict(record.sent),
        "arrived": None if record.arrived is None else dict(record.arrived),
        "sha256_ok": record.sha256_ok,
        "exit_code": record.exit_code,
        "timed_out": record.timed_out,
        "proof": {
            "proven": proof.proven,
            "reason": proof.reason,
            "opened_count": proof.opened_count,
            "capable_tried_count": proof.capable_tried_count,
            "capable_answered_count": proof.capable_answered_count,
            "joins_wanted": proof.joins_wanted,
            "joins_tried_count": proof.joins_tried_count,
            "joins_answered_count": proof.joins_answered_count,
            "joins_completed_count": proof.joins_completed_count,
            "announced_count": proof.announced_count,
            "backup_joins_count": proof.backup_joins_count,
            "trouble": dict(proof.trouble),
        },
        "counters": {
            "client": _changes(record.before.client, record.after.client),
            "server": _changes(record.before.server, record.after.server),
        },
        "samples": [dict(sample) for sample in record.samples],
        "events": {side: [dict(e) for e in events] for side, events in record.events.items()},
        "dialogue": record.dialogue,
        "transfer_times": record.transfer_times,
        "problem": record.problem,
    }


def _changes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the counters that moved, each with its values before and after."""
    return {
        name: [before.get(name, 0), value]
        for name, value in sorted(after.items())
        if value != before.get(name, 0)
    }


def _problem(
    exchange: Exchange, result: ExchangeResult, sent: Digest, arrived: Digest | None
) -> str | None:
    if result["timed_out"]:
        return f"not done after {exchange.deadline_s:g} s: the client was killed"
    if arrived is not None and arrived != sent:
        if arrived["bytes"] == sent["bytes"]:
            return f"{sent['bytes']} bytes arrived, and not the ones that were sent"
        return f"{arrived['bytes']} of {sent['bytes']} bytes arrived"
    failed = next((code for code in result["exit_codes"] if code != 0), None)
    if failed is not None:
        return f"the client ended with exit code {failed}: {_last_words(result['stderr_tail'])}"
    if arrived is None:
        return "the client ended well and nothing arrived"
    return None


def _last_words(text: str) -> str:
    """Return the line in which curl says what went wrong, or the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("curl: ")]
    return (told or lines or ["no word"])[-1][:HINT_CHARACTERS]
