"""A `MetaStore` in SQL; SQLite and PostgreSQL differ in `engine` only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from mptcp_collector.meta import listing, tables
from mptcp_collector.meta.engine import locked, snapshot
from mptcp_collector.meta.listing import run_of as _run_of
from mptcp_collector.meta.records import (
    CaptureState,
    Changed,
    Description,
    Export,
    Listed,
    Reanalysis,
    Run,
    RunState,
    SeenFinding,
    ServerCapture,
    Upload,
    Verdict,
    Wanted,
)


class SqlStore:
    """Records in a database.

    Args:
        engine: As `engine.opened` gives it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()

    def open_upload(self, upload: Upload, *, quota_bytes: int) -> Upload | None:
        """Keep a new upload, or return the one that is here."""
        t = tables.uploads
        same = sa.and_(
            t.c.run_id == upload.run_id,
            t.c.bundle_sha256 == upload.bundle_sha256,
            t.c.deletion_sha256 == upload.deletion_sha256,
        )
        with self._engine.begin() as db, locked(db, upload.netblock), locked(db, upload.run_id):
            here = db.execute(sa.select(t).where(same)).mappings().first()
            if here is not None:
                known = Upload(**here)
                if known.finished or known.ticket or not upload.ticket:
                    return known
                # the first time it came without, or with one that was not believed
                later = {n: getattr(upload, n) for n in ("ticket", "token", "collect_until_ns")}
                db.execute(sa.update(t).where(same).values(**later))
                return replace(known, **later)
            used = db.execute(
                sa.select(sa.func.coalesce(sa.func.sum(t.c.size_bytes), 0)).where(
                    t.c.netblock == upload.netblock, t.c.ticket == ""
                )
            ).scalar_one()
            if not upload.ticket and int(used) + upload.size_bytes > quota_bytes:
                return None
            db.execute(sa.insert(t).values(**_values(upload)))
            return upload

    def upload(self, upload_id: str) -> Upload | None:
        """Return an upload."""
        t = tables.uploads
        with snapshot(self._engine) as db:
            row = db.execute(sa.select(t).where(t.c.id == upload_id)).mappings().first()
        return Upload(**row) if row else None

    def uploads(self, *, finished: bool) -> Sequence[Upload]:
        """Return uploads."""
        t = tables.uploads
        with snapshot(self._engine) as db:
            rows = db.execute(sa.select(t).where(t.c.finished.is_(finished))).mappings().all()
        return [Upload(**row) for row in rows]

    def forget_upload(self, upload_id: str) -> None:
        """Remove an upload's record."""
        with self._engine.begin() as db:
            db.execute(sa.delete(tables.uploads).where(tables.uploads.c.id == upload_id))

    def add_run(self, run: Run, *, upload_id: str, capture: ServerCapture | None = None) -> Run:
        """Keep a run once."""
        t, u = tables.runs, tables.uploads
        with self._engine.begin() as db, locked(db, run.run_id):
            here = _run(db, run.run_id)
            if here is None:
                db.execute(sa.insert(t).values(**_values(run)))
                _note(db, "received", run.run_id, run.received_ns)
                if capture is not None:
                    db.execute(sa.insert(tables.server_captures).values(**_values(capture)))
                here = run
            if here.bundle_sha256 == run.bundle_sha256:
                done = {"finished": True, "token": ""}
                db.execute(sa.update(u).where(u.c.id == upload_id).values(**done))
            return here

    def run(self, run_id: str) -> Run | None:
        """Return a run."""
        with snapshot(self._engine) as db:
            return _run(db, run_id)

    def runs(self, wanted: Wanted) -> tuple[int, Sequence[Listed]]:
        """Return a page of runs."""
        with snapshot(self._engine) as db:
            return listing.page(db, wanted)

    def facets(self, public_at_ns: int | None) -> Mapping[str, Sequence[tuple[str, int]]]:
        """Return what runs can be chosen by."""
        with snapshot(self._engine) as db:
            return listing.facets(db, public_at_ns)

    def runs_in(self, state: RunState, *, limit: int) -> Sequence[Run]:
        """Return runs of a state."""
        t = tables.runs
        chosen = sa.select(t).where(t.c.state == state.value).order_by(t.c.received_ns)
        with snapshot(self._engine) as db:
            return [_run_of(row) for row in db.execute(chosen.limit(limit)).mappings()]

    def bundle_wanted(self, bundle_sha256: str) -> bool:
        """Say whether a live run has a bundle, or a server's capture, of this digest."""
        t, c = tables.runs, tables.server_captures
        live = t.c.state != RunState.DELETED.value
        bundle = sa.select(t.c.run_id).where(
            t.c.bundle_sha256 == bundle_sha256, live, t.c.traces_gone_ns.is_(None)
        )
        capture = sa.select(c.c.run_id).where(
            c.c.sha256 == bundle_sha256, c.c.state == CaptureState.JOINED.value
        )
        with snapshot(self._engine) as db:
            return any(db.execute(one.limit(1)).first() for one in (bundle, capture))

    def delete_run(self, run_id: str, *, now_ns: int, action: str = "deleted") -> None:
        """Make a tombstone."""
        t = tables.runs
        with self._engine.begin() as db, locked(db, run_id):
            for table in _OF_RUN:
                db.execute(sa.delete(table).where(table.c.run_id == run_id))
            db.execute(sa.update(t).where(t.c.run_id == run_id).values(**_GONE))
            _drop_capture(db, run_id)
            _note(db, action, run_id, now_ns)

    def expire_traces(self, run_id: str, *, now_ns: int) -> None:
        """Say that a run's bundle is removed; its verdicts stay, without packets."""
        r, v = tables.runs, tables.verdicts
        with self._engine.begin() as db, locked(db, run_id):
            for version, report in db.execute(
                sa.select(v.c.rules_version, v.c.report).where(v.c.run_id == run_id)
            ).all():
                own = sa.and_(v.c.run_id == run_id, v.c.rules_version == version)
                db.execute(sa.update(v).where(own).values(report=without_packets(report)))
            _drop_capture(db, run_id)
            gone = {"traces_gone_ns": now_ns, "captures": ""}
            db.execute(sa.update(r).where(r.c.run_id == run_id).values(**gone))
            _note(db, "traces removed: kept long enough", run_id, now_ns)

    def received_before(self, time_ns: int) -> Sequence[Run]:
        """Return live runs that came before a time, oldest first."""
        t = tables.runs
        chosen = sa.select(t).where(t.c.received_ns < time_ns, t.c.state != RunState.DELETED.value)
        with snapshot(self._engine) as db:
            return [_run_of(r) for r in db.execute(chosen.order_by(t.c.received_ns)).mappings()]

    def deleted_bundles(self) -> Sequence[str]:
        """Return the digests of what runs had that are deleted, or older than their traces."""
        t, c = tables.runs, tables.server_captures
        chosen = sa.select(t.c.bundle_sha256).where(
            sa.or_(t.c.state == RunState.DELETED.value, t.c.traces_gone_ns.is_not(None))
        )
        captures = sa.select(c.c.sha256).where(
            c.c.state == CaptureState.GONE.value, c.c.sha256 != ""
        )
        with snapshot(self._engine) as db:
            return [digest for one in (chosen, captures) for digest in db.execute(one).scalars()]

    def describe(self, run_id: str, told: Description, *, publish_ns: int | None) -> None:
        """Keep what a bundle says of its run, in place of what was kept before."""
        r, m = tables.runs, tables.marks
        live = sa.and_(r.c.run_id == run_id, r.c.state != RunState.DELETED.value)
        values = {
            "purposes": " ".join(told.purposes),
            "captures": " ".join(told.captures),
            "publish_ns": publish_ns,
        }
        rows = [
            {"run_id": run_id, "kind": kind, "value": value}
            for kind, found in told.marks.items()
            for value in found
        ]
        with self._engine.begin() as db, locked(db, run_id):
            if db.execute(sa.update(r).where(live).values(**values)).rowcount:
                db.execute(sa.delete(m).where(m.c.run_id == run_id))
                if rows:
                    db.execute(sa.insert(m), rows)

    def quarantine(self, run_id: str, reason: str, *, now_ns: int) -> None:
        """Put a run that is not deleted into quarantine; one with a verdict keeps that."""
        t, v = tables.runs, tables.verdicts
        live = sa.and_(t.c.run_id == run_id, t.c.state != RunState.DELETED.value)
        # the word only: what follows may quote the bundle
        word = reason.partition(":")[0]
        with self._engine.begin() as db, locked(db, run_id):
            judged = db.execute(sa.select(v.c.run_id).where(v.c.run_id == run_id)).first()
            state = RunState.ANALYSED if judged else RunState.QUARANTINED
            said = {"state": state.value, "reason": "" if judged else reason}
            db.execute(sa.update(t).where(live).values(**said))
            _note(db, f"{'not judged again' if judged else 'quarantined'}: {word}", run_id, now_ns)

    def add_verdict(self, verdict: Verdict, *, final: bool = True) -> bool:
        """Keep a verdict of a run that is not deleted, once."""
        r, v = tables.runs, tables.verdicts
        own = v.c.run_id == verdict.run_id
        this = sa.and_(own, v.c.rules_version == verdict.rules_version)
        with self._engine.begin() as db, locked(db, verdict.run_id):
            run = _run(db, verdict.run_id)
            if run is None or run.state is RunState.DELETED:
                return False
            new = db.execute(sa.select(v.c.run_id).where(this)).first() is None
            if new:
                values = _values(verdict)
                found = values.pop("findings")
                db.execute(sa.insert(v).values(**values, newest=False))
                key = {"run_id": verdict.run_id, "rules_version": verdict.rules_version}
                if found:
                    db.execute(sa.insert(tables.findings), [key | _values(one) for one in found])
                action = f"judged by {verdict.rules_version}"
                _note(db, action, verdict.run_id, verdict.judged_ns)
            if final:
                state = {"state": RunState.ANALYSED.value, "reason": ""}
                db.execute(sa.update(r).where(r.c.run_id == verdict.run_id).values(**state))
                db.execute(sa.update(v).where(own).values(newest=False))
                db.execute(sa.update(v).where(this).values(newest=True))
        return new

    def verdicts(self, run_id: str) -> Sequence[Verdict]:
        """Return a run's verdicts with their findings."""
        v, f = tables.verdicts, tables.findings
        with snapshot(self._engine) as db:
            newest_first = (v.c.newest.desc(), v.c.judged_ns.desc())
            own = sa.select(v).where(v.c.run_id == run_id).order_by(*newest_first)
            rows = db.execute(own).mappings().all()
            of_run = sa.select(f).where(f.c.run_id == run_id).order_by(f.c.id)
            found = db.execute(of_run).mappings().all()
        return [
            Verdict(
                run_id=run_id,
                rules_version=row["rules_version"],
                judged_ns=row["judged_ns"],
                outcome=row["outcome"],
                report=row["report"],
                findings=tuple(
                    SeenFinding(**{name: one[name] for name in SeenFinding.__slots__})
                    for one in found
                    if one["rules_version"] == row["rules_version"]
                ),
            )
            for row in rows
        ]

    def note(self, action: str, subject: str, *, now_ns: int) -> None:
        """Write a line of the audit log."""
        with self._engine.begin() as db:
            _note(db, action, subject, now_ns)

    def audit(self, subject: str) -> Sequence[tuple[int, str]]:
        """Return the lines about a subject."""
        t = tables.audit
        chosen = sa.select(t.c.time_ns, t.c.action).where(t.c.subject == subject).order_by(t.c.id)
        with snapshot(self._engine) as db:
            return [(time_ns, action) for time_ns, action in db.execute(chosen)]

    def audit_lines(self, *, after: int = 0) -> Sequence[tuple[int, int, str, str]]:
        """Return number, time, action and subject of the audit log's lines, oldest first."""
        t = tables.audit
        chosen = sa.select(t.c.id, t.c.time_ns, t.c.action, t.c.subject).where(t.c.id > after)
        with snapshot(self._engine) as db:
            rows = db.execute(chosen.order_by(t.c.id)).all()
        return [(int(r[0]), int(r[1]), str(r[2]), str(r[3])) for r in rows]

    def server_capture(self, run_id: str) -> ServerCapture | None:
        """Return what is known of the measurement server's capture of a run."""
        t = tables.server_captures
        with snapshot(self._engine) as db:
            row = db.execute(sa.select(t).where(t.c.run_id == run_id)).mappings().first()
        return _capture_of(row) if row else None

    def captures_due(self, now_ns: int, *, limit: int) -> Sequence[ServerCapture]:
        """Return captures that shall be tried to get now."""
        t = tables.server_captures
        due = sa.and_(t.c.state == CaptureState.WAITING.value, t.c.next_try_ns <= now_ns)
        chosen = sa.select(t).where(due).order_by(t.c.next_try_ns).limit(limit)
        with snapshot(self._engine) as db:
            return [_capture_of(row) for row in db.execute(chosen).mappings()]

    def set_server_capture(self, capture: ServerCapture, *, note: str, now_ns: int) -> bool:
        """Keep how far a capture is, if its run still is; an empty note is no audit line."""
        t = tables.server_captures
        with self._engine.begin() as db, locked(db, capture.run_id):
            # one that was dropped with its run stays so
            waits = t.c.state == CaptureState.WAITING.value
            own = sa.update(t).where(t.c.run_id == capture.run_id, waits)
            there = db.execute(own.values(**_values(capture))).rowcount > 0
            if there and note:
                _note(db, note, capture.run_id, now_ns)
            if there and capture.state is CaptureState.JOINED:
                r = tables.runs
                again = sa.and_(r.c.run_id == capture.run_id, r.c.state == RunState.ANALYSED.value)
                db.execute(sa.update(r).where(again).values(state=RunState.RECEIVED.value))
        return there

    def begin_reanalysis(self, rules_version: str, *, now_ns: int) -> int:
        """Note that all runs are judged again; return its number."""
        t = tables.reanalyses
        values = {"time_ns": now_ns, "rules_version": rules_version, "judged_count": 0}
        with self._engine.begin() as db:
            key = db.execute(sa.insert(t).values(**values)).inserted_primary_key
        return int(key[0]) if key else 0

    def add_change(self, reanalysis: int, change: Changed) -> None:
        """Keep what a reanalysis changed."""
        values = _values(change) | {"reanalysis": reanalysis}
        values |= {name: " ".join(values[name]) for name in ("appeared", "gone")}
        with self._engine.begin() as db:
            db.execute(sa.insert(tables.changes).values(**values))

    def end_reanalysis(self, reanalysis: int, judged_count: int) -> None:
        """Say how many runs were judged."""
        t = tables.reanalyses
        with self._engine.begin() as db:
            own = sa.update(t).where(t.c.id == reanalysis)
            db.execute(own.values(judged_count=judged_count))

    def reanalyses(self) -> Sequence[Reanalysis]:
        """Return all reanalyses, newest first."""
        t = tables.reanalyses
        with snapshot(self._engine) as db:
            rows = db.execute(sa.select(t).order_by(t.c.id.desc())).mappings().all()
        return [Reanalysis(**row) for row in rows]

    def changes(self, reanalysis: int, public_at_ns: int | None) -> Sequence[Changed]:
        """Return what a reanalysis changed in runs that are there and may be seen."""
        t, r = tables.changes, tables.runs
        live = [t.c.reanalysis == reanalysis, r.c.state != RunState.DELETED.value]
        if public_at_ns is not None:
            live.append(r.c.publish_ns <= public_at_ns)
        chosen = sa.select(t).join_from(t, r, t.c.run_id == r.c.run_id).where(*live)
        with snapshot(self._engine) as db:
            rows = db.execute(chosen.order_by(t.c.run_id)).mappings().all()
        return [
            Changed(
                **{n: row[n] for n in Changed.__slots__ if n not in {"appeared", "gone"}},
                appeared=tuple(row["appeared"].split()),
                gone=tuple(row["gone"].split()),
            )
            for row in rows
        ]

    def set_export(self, export: Export) -> None:
        """Remember a folder that published runs are in."""
        t = tables.exports
        with self._engine.begin() as db, locked(db, "exports"):
            db.execute(sa.delete(t).where(t.c.folder == export.folder))
            db.execute(sa.insert(t).values(**_values(export)))

    def exports(self) -> Sequence[Export]:
        """Return all folders that published runs are in."""
        with snapshot(self._engine) as db:
            rows = db.execute(sa.select(tables.exports)).mappings().all()
        return [Export(**row) for row in rows]

    def counts(self) -> Mapping[str, int]:
        """Return the number of runs by state; states without any count 0."""
        t = tables.runs
        with snapshot(self._engine) as db:
            rows = db.execute(sa.select(t.c.state, sa.func.count()).group_by(t.c.state)).all()
        return {state.value: 0 for state in RunState} | {str(row[0]): int(row[1]) for row in rows}


_OF_RUN: Final = (
    tables.findings,
    tables.verdicts,
    tables.uploads,
    tables.marks,
    tables.changes,
)
"""What goes with a run."""

_GONE: Final[dict[str, Any]] = {
    "state": RunState.DELETED.value,
    "publish_ns": None,
    **dict.fromkeys(("receipt", "ticket", "reason", "purposes", "captures"), ""),
}


def without_packets(report: str) -> str:
    """Return a report's text without its packets; one that is none becomes an empty object."""
    try:
        document = json.loads(report)
        (document.get("report") or document)["packets"] = []
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "{}"
    return json.dumps(document)


_Record = Upload | Run | Verdict | SeenFinding | ServerCapture | Changed | Export


def _values(record: _Record) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    if isinstance(record, Run | ServerCapture):
        values["state"] = record.state.value
    return values


def _capture_of(row: Mapping[Any, Any]) -> ServerCapture:
    return ServerCapture(**{**row, "state": CaptureState(row["state"])})


def _drop_capture(db: sa.Connection, run_id: str) -> None:
    # the digest stays: a crash may come before the bytes are removed
    t = tables.server_captures
    gone = {"state": CaptureState.GONE.value, "token": "", "reason": ""}
    db.execute(sa.update(t).where(t.c.run_id == run_id).values(**gone))


def _run(db: sa.Connection, run_id: str) -> Run | None:
    row = db.execute(sa.select(tables.runs).where(tables.runs.c.run_id == run_id)).mappings()
    first = row.first()
    return _run_of(first) if first else None


def _note(db: sa.Connection, action: str, subject: str, now_ns: int) -> None:
    line = {"time_ns": now_ns, "action": action, "subject": subject}
    db.execute(sa.insert(tables.audit).values(**line))
