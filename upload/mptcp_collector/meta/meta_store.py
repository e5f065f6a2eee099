"""What the collector needs of a database."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mptcp_collector.meta.records import (
    Changed,
    Description,
    Export,
    Listed,
    Reanalysis,
    Run,
    RunState,
    ServerCapture,
    Upload,
    Verdict,
    Wanted,
)


class MetaStore(Protocol):
    """Records of uploads, runs and verdicts.

    Every method is one transaction: on return it is on the disk, after an exception nothing is.
    `open_upload` of one without a ticket comes to the disk later, at the latest with the next
    other one: until then a power cut may undo it, and its client begins anew.
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

    def add_run(self, run: Run, *, upload_id: str, capture: ServerCapture | None = None) -> Run:
        """Keep a run and mark its upload finished; return the run that is here under the id now.

        Args:
            run: To be kept.
            upload_id: Where it came from.
            capture: The measurement server's capture that shall be joined to it.
        """

    def run(self, run_id: str) -> Run | None:
        """Return a run, a deleted one too."""

    def runs(self, wanted: Wanted) -> tuple[int, Sequence[Listed]]:
        """Return how many runs there are, and a page of them: newest first."""

    def facets(self, public_at_ns: int | None) -> Mapping[str, Sequence[tuple[str, int]]]:
        """Return what runs can be chosen by: values with their number of runs, by filter."""

    def runs_in(self, state: RunState, *, limit: int) -> Sequence[Run]:
        """Return runs of a state, oldest first."""

    def bundle_wanted(self, bundle_sha256: str) -> bool:
        """Say whether a live run has a bundle, or a server's capture, of this digest."""

    def delete_run(self, run_id: str, *, now_ns: int, action: str = "deleted") -> None:
        """Make a tombstone of a run and remove all that goes with it.

        Args:
            run_id: Which.
            now_ns: Time of day.
            action: The audit log's line; it begins with ``deleted``.
        """

    def expire_traces(self, run_id: str, *, now_ns: int) -> None:
        """Say that a run's bundle is removed; its verdicts stay, without packets."""

    def received_before(self, time_ns: int) -> Sequence[Run]:
        """Return live runs that came before a time, oldest first."""

    def deleted_bundles(self) -> Sequence[str]:
        """Return the digests of bundles that should be gone."""

    def describe(self, run_id: str, told: Description, *, publish_ns: int | None) -> None:
        """Keep what a bundle says of its run, in place of what was kept before."""

    def server_capture(self, run_id: str) -> ServerCapture | None:
        """Return what is known of the measurement server's capture of a run."""

    def captures_due(self, now_ns: int, *, limit: int) -> Sequence[ServerCapture]:
        """Return captures that shall be tried to get now."""

    def set_server_capture(self, capture: ServerCapture, *, note: str, now_ns: int) -> bool:
        """Keep how far a capture is; say whether its run still is.

        A capture that is joined lets its run be judged again. An empty note is no audit line.
        """

    def begin_reanalysis(self, rules_version: str, *, now_ns: int) -> int:
        """Note that all runs are judged again; return its number."""

    def add_change(self, reanalysis: int, change: Changed) -> None:
        """Keep what a reanalysis changed."""

    def end_reanalysis(self, reanalysis: int, judged_count: int) -> None:
        """Say how many runs were judged."""

    def reanalyses(self) -> Sequence[Reanalysis]:
        """Return all reanalyses, newest first."""

    def changes(self, reanalysis: int, public_at_ns: int | None) -> Sequence[Changed]:
        """Return what a reanalysis changed in runs that are there and may be seen."""

    def set_export(self, export: Export) -> None:
        """Remember a folder that published runs are in."""

    def exports(self) -> Sequence[Export]:
        """Return all folders that published runs are in."""

    def audit_lines(self, *, after: int = 0) -> Sequence[tuple[int, int, str, str]]:
        """Return number, time, action and subject of the audit log's lines, oldest first."""

    def quarantine(self, run_id: str, reason: str, *, now_ns: int) -> None:
        """Say that a run could not be analysed; one that has a verdict stays with that."""

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
