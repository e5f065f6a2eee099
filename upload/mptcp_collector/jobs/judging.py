"""Runs that have a receipt are judged one after the other; a bad one goes to quarantine."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, Final

from mptcp_check.analysis.diagnose import RULES_VERSION
from mptcp_collector.blobs.blob_store import BlobStore
from mptcp_collector.jobs import sandbox_answer
from mptcp_collector.jobs.sandbox import SandboxError
from mptcp_collector.meta.meta_store import MetaStore
from mptcp_collector.meta.records import CaptureState, Changed, Run, RunState, Verdict

BATCH: Final = 50
RUNS_MAX: Final = 10**9
CHILD: Final = "mptcp_collector.jobs.judge_child"
PUBLISH: Final = "publish"
"""The purpose that makes a run public."""
_TEXT_LIMIT: Final = 200
_DAY_NS: Final = 86_400 * 10**9

log = logging.getLogger(__name__)

Answer = Callable[[str, Sequence[str], Sequence[BinaryIO]], bytes]
"""Runs a module over bytes in the sandbox; raises `SandboxError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What judges; stopped at any point it begins again, and keeps each verdict once."""

    meta: MetaStore
    blobs: BlobStore
    wall_ns: Callable[[], int]
    answer: Answer
    embargo_days: int

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
            said = self._said(run)
            told, verdicts = sandbox_answer.read(said, run.run_id, now_ns=self.wall_ns())
        except SandboxError as e:
            reason = f"{e.word}: {e}"[:_TEXT_LIMIT]
            log.warning("run %s: %s", run.run_id, reason)
            self.meta.quarantine(run.run_id, reason, now_ns=self.wall_ns())
            return
        public = PUBLISH in told.purposes
        publish_ns = run.received_ns + self.embargo_days * _DAY_NS if public else None
        self.meta.describe(run.run_id, told, publish_ns=publish_ns)
        for verdict in verdicts:
            self.meta.add_verdict(verdict, final=verdict is verdicts[-1])

    def _said(self, run: Run) -> bytes:
        capture = self.meta.server_capture(run.run_id)
        with ExitStack() as opened:
            given = [opened.enter_context(self.blobs.open(run.bundle_sha256))]
            if capture is not None and capture.state is CaptureState.JOINED:
                given.append(opened.enter_context(self.blobs.open(capture.sha256)))
            return self.answer(CHILD, (run.run_id, str(run.size_bytes)), given)

    def reanalyse(self) -> Iterator[Changed]:
        """Judge all runs again, those in quarantine too; give and keep what is otherwise now.

        Runs whose traces were kept long enough keep the verdicts that they have.
        """
        number = self.meta.begin_reanalysis(RULES_VERSION, now_ns=self.wall_ns())
        known = [
            run
            for state in (RunState.ANALYSED, RunState.QUARANTINED)
            for run in self.meta.runs_in(state, limit=RUNS_MAX)
            if run.traces_gone_ns is None
        ]
        for run in known:
            before = self.meta.verdicts(run.run_id)
            try:
                self.judge(run)
            except FileNotFoundError:
                continue  # deleted in between
            after = self.meta.verdicts(run.run_id)
            if after and (not before or _said(before[0]) != _said(after[0])):
                changed = _changed(run.run_id, before[0] if before else None, after[0])
                self.meta.add_change(number, changed)
                yield changed
        self.meta.end_reanalysis(number, len(known))


def _said(verdict: Verdict | None) -> tuple[str, frozenset[str]]:
    if verdict is None:
        return "", frozenset()
    return verdict.outcome, frozenset(one.behaviour for one in verdict.findings)


def _changed(run_id: str, before: Verdict | None, after: Verdict) -> Changed:
    (old_outcome, old), (new_outcome, new) = _said(before), _said(after)
    return Changed(
        run_id=run_id,
        rules_before=before.rules_version if before else "",
        rules_version=after.rules_version,
        outcome_before=old_outcome,
        outcome=new_outcome,
        appeared=tuple(sorted(new - old)),
        gone=tuple(sorted(old - new)),
    )
