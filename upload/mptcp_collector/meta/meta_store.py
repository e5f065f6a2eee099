"""What the collector needs of a database."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mptcp_collector.meta.records import Run, RunState, Upload, Verdict, Wanted


class MetaStore(Protocol):
    """Records of uploads, runs and verdicts.

    Every method is one transaction: on return it is on the disk, after an exception nothing is.
    """

    def open_upload(self, upload: Upload, *, quota_bytes: int) -> Upload | None:
        """Keep a new upload; return it, or the one that is here for the same bundle and token.

        None: with it the netblock would have more than its quota on record.
        """

    def upload(self, upload_id: str) -> Upload | None:
        """Return an upload."""

    def uploads(self, *, finished: bool) -> Sequence[Upload]:
        """Return all uploads that are finished, or are not."""

    def forget_upload(self, upload_id: str) -> None:
        """Remove an upload's record."""

    def add_run(self, run: Run, *, upload_id: str) -> Run:
        """Keep a run and mark its upload finished; return the run that is here under the id now."""

    def run(self, run_id: str) -> Run | None:
        """Return a run, a deleted one too."""

    def runs(self, wanted: Wanted) -> tuple[int, Sequence[tuple[Run, str]]]:
        """Return how many runs there are, and a page of them: newest first, with the outcome."""

    def runs_in(self, state: RunState, *, limit: int) -> Sequence[Run]:
        """Return runs of a state, oldest first."""

    def bundle_wanted(self, bundle_sha256: str) -> bool:
        """Say whether a run that is not deleted has this bundle."""

    def delete_run(self, run_id: str, *, now_ns: int) -> None:
        """Make a tombstone of a run and remove its verdicts and uploads."""

    def deleted_bundles(self) -> Sequence[str]:
        """Return the digests of deleted runs."""

    def quarantine(self, run_id: str, reason: str, *, now_ns: int) -> None:
        """Say that a run could not be analysed."""

    def add_verdict(self, verdict: Verdict, *, final: bool = True) -> bool:
        """Keep a verdict; say whether it is new: one for each run and version of the rules.

        Args:
            verdict: The newest of its run from now on, if it is new.
            final: With it the run is analysed; without, another one will follow.
        """

    def verdicts(self, run_id: str) -> Sequence[Verdict]:
        """Return a run's verdicts, newest first."""

    def note(self, action: str, subject: str, *, now_ns: int) -> None:
        """Write a line of the audit log."""

    def audit(self, subject: str) -> Sequence[tuple[int, str]]:
        """Return time and action of every line about a subject, oldest first."""

    def counts(self) -> Mapping[str, int]:
        """Return the number of runs by state."""

    def close(self) -> None:
        """Give connections back."""
