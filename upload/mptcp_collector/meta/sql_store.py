"""A `MetaStore` in SQL: what is a transaction; `upload_rows` and the like say what it does.

SQLite and PostgreSQL differ in `engine` and `writing` only.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from mptcp_collector.meta import judged_rows, kept_rows, listing, rows, tables, upload_rows
from mptcp_collector.meta.engine import reading
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
from mptcp_collector.meta.writing import Writing

Result = TypeVar("Result")


class SqlStore:
    """Records in a database.

    Args:
        engine: As `engine.opened` gives it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._write = Writing(engine)

    def _read(self, work: Callable[[sa.Connection], Result]) -> Result:
        with self._reading.begin() as db:
            return work(db)

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()

    def open_upload(self, upload: Upload, *, quota_bytes: int) -> Upload | None:
        """Keep a new upload, or return the one that is here."""
        return self._write(
            partial(upload_rows.add, upload=upload, quota_bytes=quota_bytes),
            locks=(upload.netblock, upload.run_id),
            # what a power cut undoes is begun anew; a ticket that came later would not come again
            durable=bool(upload.ticket),
        )

    def upload(self, upload_id: str) -> Upload | None:
        """Return an upload."""
        return self._read(partial(upload_rows.one, upload_id=upload_id))

    def uploads(self, *, finished: bool) -> Sequence[Upload]:
        """Return uploads."""
        return self._read(partial(upload_rows.every, finished=finished))

    def forget_upload(self, upload_id: str) -> None:
        """Remove an upload's record."""
        self._write(partial(upload_rows.forget, upload_id=upload_id))

    def add_run(self, run: Run, *, upload_id: str, capture: ServerCapture | None = None) -> Run:
        """Keep a run once."""
        work = partial(upload_rows.add_run, run=run, upload_id=upload_id, capture=capture)
        return self._write(work, locks=(run.run_id,))

    def run(self, run_id: str) -> Run | None:
        """Return a run."""
        return self._read(partial(rows.run, run_id=run_id))

    def runs(self, wanted: Wanted) -> tuple[int, Sequence[Listed]]:
        """Return a page of runs."""
        return self._read(partial(listing.page, wanted=wanted))

    def facets(self, public_at_ns: int | None) -> Mapping[str, Sequence[tuple[str, int]]]:
        """Return what runs can be chosen by."""
        return self._read(partial(listing.facets, public_at_ns=public_at_ns))

    def runs_in(self, state: RunState, *, limit: int) -> Sequence[Run]:
        """Return runs of a state, oldest first."""
        return self._read(partial(kept_rows.runs_in, state=state, limit=limit))

    def bundle_wanted(self, bundle_sha256: str) -> bool:
        """Say whether a live run has a bundle, or a server's capture, of this digest."""
        return self._read(partial(kept_rows.bundle_wanted, sha256=bundle_sha256))

    def delete_run(self, run_id: str, *, now_ns: int, action: str = "deleted") -> None:
        """Make a tombstone."""
        work = partial(kept_rows.delete_run, run_id=run_id, now_ns=now_ns, action=action)
        self._write(work, locks=(run_id,))

    def expire_traces(self, run_id: str, *, now_ns: int) -> None:
        """Say that a run's bundle is removed; its verdicts stay, without packets."""
        work = partial(kept_rows.expire_traces, run_id=run_id, now_ns=now_ns)
        self._write(work, locks=(run_id,))

    def received_before(self, time_ns: int) -> Sequence[Run]:
        """Return live runs that came before a time, oldest first."""
        return self._read(partial(kept_rows.received_before, time_ns=time_ns))

    def deleted_bundles(self) -> Sequence[str]:
        """Return the digests of what runs had that are deleted, or older than their traces."""
        return self._read(kept_rows.deleted_bundles)

    def describe(self, run_id: str, told: Description, *, publish_ns: int | None) -> None:
        """Keep what a bundle says of its run, in place of what was kept before."""
        work = partial(judged_rows.describe, run_id=run_id, told=told, publish_ns=publish_ns)
        self._write(work, locks=(run_id,))

    def quarantine(self, run_id: str, reason: str, *, now_ns: int) -> None:
        """Put a run that is not deleted into quarantine; one with a verdict keeps that."""
        work = partial(judged_rows.quarantine, run_id=run_id, reason=reason, now_ns=now_ns)
        self._write(work, locks=(run_id,))

    def add_verdict(self, verdict: Verdict, *, final: bool = True) -> bool:
        """Keep a verdict of a run that is not deleted, once."""
        work = partial(judged_rows.add_verdict, verdict=verdict, final=final)
        return self._write(work, locks=(verdict.run_id,))

    def verdicts(self, run_id: str) -> Sequence[Verdict]:
        """Return a run's verdicts with their findings."""
        return self._read(partial(judged_rows.verdicts, run_id=run_id))

    def note(self, action: str, subject: str, *, now_ns: int) -> None:
        """Write a line of the audit log."""
        self._write(partial(rows.note, action=action, subject=subject, now_ns=now_ns))

    def audit(self, subject: str) -> Sequence[tuple[int, str]]:
        """Return the lines about a subject."""
        t = tables.audit
        chosen = sa.select(t.c.time_ns, t.c.action).where(t.c.subject == subject).order_by(t.c.id)
        return self._read(lambda db: [(int(r[0]), str(r[1])) for r in db.execute(chosen)])

    def audit_lines(self, *, after: int = 0) -> Sequence[tuple[int, int, str, str]]:
        """Return number, time, action and subject of the audit log's lines, oldest first."""
        t = tables.audit
        chosen = sa.select(t.c.id, t.c.time_ns, t.c.action, t.c.subject).where(t.c.id > after)
        lines = self._read(lambda db: db.execute(chosen.order_by(t.c.id)).all())
        return [(int(r[0]), int(r[1]), str(r[2]), str(r[3])) for r in lines]

    def server_capture(self, run_id: str) -> ServerCapture | None:
        """Return what is known of the measurement server's capture of a run."""
        return self._read(partial(kept_rows.server_capture, run_id=run_id))

    def captures_due(self, now_ns: int, *, limit: int) -> Sequence[ServerCapture]:
        """Return captures that shall be tried to get now."""
        return self._read(partial(kept_rows.captures_due, now_ns=now_ns, limit=limit))

    def set_server_capture(self, capture: ServerCapture, *, note: str, now_ns: int) -> bool:
        """Keep how far a capture is, if its run still is; an empty note is no audit line."""
        work = partial(kept_rows.set_server_capture, capture=capture, note=note, now_ns=now_ns)
        return self._write(work, locks=(capture.run_id,))

    def begin_reanalysis(self, rules_version: str, *, now_ns: int) -> int:
        """Note that all runs are judged again; return its number."""
        work = partial(judged_rows.begin_reanalysis, rules_version=rules_version, now_ns=now_ns)
        return self._write(work)

    def add_change(self, reanalysis: int, change: Changed) -> None:
        """Keep what a reanalysis changed."""
        self._write(partial(judged_rows.add_change, reanalysis=reanalysis, change=change))

    def end_reanalysis(self, reanalysis: int, judged_count: int) -> None:
        """Say how many runs were judged."""
        count = judged_count
        self._write(partial(judged_rows.end_reanalysis, reanalysis=reanalysis, judged_count=count))

    def reanalyses(self) -> Sequence[Reanalysis]:
        """Return all reanalyses, newest first."""
        return self._read(judged_rows.reanalyses)

    def changes(self, reanalysis: int, public_at_ns: int | None) -> Sequence[Changed]:
        """Return what a reanalysis changed in runs that are there and may be seen."""
        work = partial(judged_rows.changes, reanalysis=reanalysis, public_at_ns=public_at_ns)
        return self._read(work)

    def set_export(self, export: Export) -> None:
        """Remember a folder that published runs are in."""
        t = tables.exports

        def replace(db: sa.Connection) -> None:
            db.execute(sa.delete(t).where(t.c.folder == export.folder))
            db.execute(sa.insert(t), rows.values(export))

        self._write(replace, locks=("exports",))

    def exports(self) -> Sequence[Export]:
        """Return all folders that published runs are in."""
        chosen = sa.select(tables.exports)
        return self._read(lambda db: [Export(**row) for row in db.execute(chosen).mappings()])

    def counts(self) -> Mapping[str, int]:
        """Return the number of runs by state; states without any count 0."""
        t = tables.runs
        chosen = sa.select(t.c.state, sa.func.count()).group_by(t.c.state)
        found = self._read(lambda db: {str(r[0]): int(r[1]) for r in db.execute(chosen)})
        return {state.value: 0 for state in RunState} | found
