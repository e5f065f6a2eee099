"""Runs that have a receipt are judged one after the other; a bad one goes to quarantine."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.meta.meta_store import MetaStore
from mptcp_collector.meta.records import Run, RunState, SeenFinding, Verdict

BATCH: Final = 50
RUNS_MAX: Final = 10**9
CHILD: Final = "mptcp_collector.jobs.judge_child"
_TEXT_LIMIT: Final = 200
_PORT_MAX: Final = 65_535

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What newer rules see otherwise in a run."""

    run_id: str
    rules_version: str
    outcome_before: str
    """Empty: there was no verdict."""
    outcome: str
    appeared: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What judges; stopped at any point it begins again, and keeps each verdict once."""

    meta: MetaStore
    blobs: BlobStore
    wall_ns: Callable[[], int]
    answer: Callable[[str, str, BinaryIO], bytes]
    """Runs a module over bytes in the sandbox; raises `SandboxError`."""

    def judge_received(self) -> int:
        """Judge what was received and not judged yet; return how many runs that were."""
        runs = self.meta.runs_in(RunState.RECEIVED, limit=BATCH)
        for run in runs:
            self.judge(run)
        return len(runs)

    def judge(self, run: Run) -> None:
        """Judge a run by the rules of today; verdicts of other rules stay beside it.

        Raises:
            OSError: The storage does not answer: the run stays as it was.
        """
        try:
            with self.blobs.open(run.bundle_sha256) as octets:
                said = self.answer(CHILD, run.run_id, octets)
            verdicts = verdicts_of(said, run.run_id, now_ns=self.wall_ns())
        except SandboxError as e:
            reason = f"{e.word}: {e}"[:_TEXT_LIMIT]
            log.warning("run %s: %s", run.run_id, reason)
            self.meta.quarantine(run.run_id, reason, now_ns=self.wall_ns())
            return
        for verdict in verdicts:
            self.meta.add_verdict(verdict, final=verdict is verdicts[-1])

    def reanalyse(self) -> Iterator[Changed]:
        """Judge all runs again, those in quarantine too; give those whose verdict is another."""
        known = [
            run
            for state in (RunState.ANALYSED, RunState.QUARANTINED)
            for run in self.meta.runs_in(state, limit=RUNS_MAX)
        ]
        for run in known:
            before = self.meta.verdicts(run.run_id)
            self.judge(run)
            after = self.meta.verdicts(run.run_id)
            if after and (not before or _said(before[0]) != _said(after[0])):
                yield _changed(run.run_id, before[0] if before else None, after[0])


def _said(verdict: Verdict | None) -> tuple[str, frozenset[str]]:
    if verdict is None:
        return "", frozenset()
    return verdict.outcome, frozenset(one.behaviour for one in verdict.findings)


def _changed(run_id: str, before: Verdict | None, after: Verdict) -> Changed:
    (old_outcome, old), (new_outcome, new) = _said(before), _said(after)
    return Changed(
        run_id=run_id,
        rules_version=after.rules_version,
        outcome_before=old_outcome,
        outcome=new_outcome,
        appeared=tuple(sorted(new - old)),
        gone=tuple(sorted(old - new)),
    )


def verdicts_of(said: bytes, run_id: str, *, now_ns: int) -> list[Verdict]:
    """Return the verdicts of an answer from the sandbox, which may be anything.

    Raises:
        SandboxError: It is a refusal, or not what it must be.
    """
    try:
        document = json.loads(said)
        if "refused" in document:
            raise SandboxError(_text(document["refused"]), _text(document["because"]))
        # one nanosecond apart: the later one is the newer one
        found = [
            _verdict(one, run_id, now_ns + place) for place, one in enumerate(document["verdicts"])
        ]
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        raise SandboxError("analysis_failed", f"its answer is none: {type(e).__name__}") from None
    if not found:
        raise SandboxError("analysis_failed", "it came to no verdict")
    return found


def _verdict(one: Any, run_id: str, now_ns: int) -> Verdict:  # noqa: ANN401 - any JSON
    return Verdict(
        run_id=run_id,
        rules_version=_text(one["rules_version"])[:64],
        judged_ns=now_ns,
        outcome=_text(one["outcome"]),
        report=json.dumps(one["report"]),
        findings=tuple(
            SeenFinding(
                behaviour=_text(row["behaviour"]),
                state=_text(row["state"]),
                application=_text(row["application"]),
                port=_port(row["port"]),
            )
            for row in one["findings"]
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("no text of one line")
    return value[:_TEXT_LIMIT]


def _port(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _PORT_MAX:
        raise TypeError("no port")
    return value
