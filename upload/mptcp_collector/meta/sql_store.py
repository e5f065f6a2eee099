"""A `MetaStore` in SQL; SQLite and PostgreSQL differ in `engine` only."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mptcp_collector.meta import tables
from mptcp_collector.meta.engine import locked
from mptcp_collector.meta.records import Run, RunState, SeenFinding, Upload, Verdict, Wanted


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
                return Upload(**here)
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
        with self._engine.begin() as db:
            row = db.execute(sa.select(t).where(t.c.id == upload_id)).mappings().first()
        return Upload(**row) if row else None

    def uploads(self, *, finished: bool) -> Sequence[Upload]:
        """Return uploads."""
        t = tables.uploads
        with self._engine.begin() as db:
            rows = db.execute(sa.select(t).where(t.c.finished.is_(finished))).mappings().all()
        return [Upload(**row) for row in rows]

    def forget_upload(self, upload_id: str) -> None:
        """Remove an upload's record."""
        with self._engine.begin() as db:
            db.execute(sa.delete(tables.uploads).where(tables.uploads.c.id == upload_id))

    def add_run(self, run: Run, *, upload_id: str) -> Run:
        """Keep a run once."""
        t, u = tables.runs, tables.uploads
        with self._engine.begin() as db, locked(db, run.run_id):
            here = _run(db, run.run_id)
            if here is None:
                db.execute(sa.insert(t).values(**_values(run)))
                _note(db, "received", run.run_id, run.received_ns)
                here = run
            if here.bundle_sha256 == run.bundle_sha256:
                db.execute(sa.update(u).where(u.c.id == upload_id).values(finished=True))
            return here

    def run(self, run_id: str) -> Run | None:
        """Return a run."""
        with self._engine.begin() as db:
            return _run(db, run_id)

    def runs(self, wanted: Wanted) -> tuple[int, Sequence[tuple[Run, str]]]:
        """Return a page of runs."""
        t, v, f = tables.runs, tables.verdicts, tables.findings
        joined = t.outerjoin(v, sa.and_(v.c.run_id == t.c.run_id, v.c.newest))
        conditions: list[sa.ColumnElement[bool]] = [
            t.c.state != RunState.DELETED.value,
            t.c.received_ns >= wanted.since_ns,
            t.c.received_ns < wanted.until_ns,
        ]
        if wanted.outcome:
            conditions.append(v.c.outcome == wanted.outcome)
        of_finding: list[sa.ColumnElement[bool]] = []
        if wanted.behaviour:
            of_finding += [f.c.behaviour == wanted.behaviour, f.c.state == "seen"]
        if wanted.application:
            of_finding.append(f.c.application == wanted.application)
        if wanted.port:
            of_finding.append(f.c.port == wanted.port)
        if of_finding:
            newest = sa.and_(f.c.run_id == t.c.run_id, f.c.rules_version == v.c.rules_version)
            conditions.append(sa.exists().where(newest, *of_finding).correlate(t, v))
        chosen = sa.select(t, v.c.outcome).select_from(joined).where(*conditions)
        with self._engine.begin() as db:
            count = db.execute(sa.select(sa.func.count()).select_from(chosen.subquery()))
            total = int(count.scalar_one())
            page = chosen.order_by(t.c.received_ns.desc(), t.c.run_id)
            rows = db.execute(page.offset(wanted.offset).limit(wanted.limit)).mappings().all()
        return total, [(_run_of(row), str(row["outcome"] or "")) for row in rows]

    def runs_in(self, state: RunState, *, limit: int) -> Sequence[Run]:
        """Return runs of a state."""
        t = tables.runs
        chosen = sa.select(t).where(t.c.state == state.value).order_by(t.c.received_ns)
        with self._engine.begin() as db:
            return [_run_of(row) for row in db.execute(chosen.limit(limit)).mappings()]

    def bundle_wanted(self, bundle_sha256: str) -> bool:
        """Say whether a live run has a bundle."""
        t = tables.runs
        chosen = sa.select(t.c.run_id).where(
            t.c.bundle_sha256 == bundle_sha256, t.c.state != RunState.DELETED.value
        )
        with self._engine.begin() as db:
            return db.execute(chosen.limit(1)).first() is not None

    def delete_run(self, run_id: str, *, now_ns: int) -> None:
        """Make a tombstone."""
        t = tables.runs
        with self._engine.begin() as db, locked(db, run_id):
            for table in (tables.findings, tables.verdicts, tables.uploads):
                db.execute(sa.delete(table).where(table.c.run_id == run_id))
            gone = {"state": RunState.DELETED.value, "receipt": "", "ticket": "", "reason": ""}
            db.execute(sa.update(t).where(t.c.run_id == run_id).values(**gone))
            _note(db, "deleted", run_id, now_ns)

    def deleted_bundles(self) -> Sequence[str]:
        """Return the digests of tombstones."""
        t = tables.runs
        chosen = sa.select(t.c.bundle_sha256).where(t.c.state == RunState.DELETED.value)
        with self._engine.begin() as db:
            return list(db.execute(chosen).scalars())

    def quarantine(self, run_id: str, reason: str, *, now_ns: int) -> None:
        """Put a run that is not deleted into quarantine."""
        t = tables.runs
        live = sa.and_(t.c.run_id == run_id, t.c.state != RunState.DELETED.value)
        with self._engine.begin() as db:
            db.execute(
                sa.update(t).where(live).values(state=RunState.QUARANTINED.value, reason=reason)
            )
            _note(db, f"quarantined: {reason}", run_id, now_ns)

    def add_verdict(self, verdict: Verdict, *, final: bool = True) -> bool:
        """Keep a verdict of a run that is not deleted, once."""
        r, v = tables.runs, tables.verdicts
        own = v.c.run_id == verdict.run_id
        with self._engine.begin() as db, locked(db, verdict.run_id):
            run = _run(db, verdict.run_id)
            if run is None or run.state is RunState.DELETED:
                return False
            if final:
                state = {"state": RunState.ANALYSED.value, "reason": ""}
                db.execute(sa.update(r).where(r.c.run_id == verdict.run_id).values(**state))
            same = sa.select(v.c.run_id).where(own, v.c.rules_version == verdict.rules_version)
            if db.execute(same).first():
                return False
            db.execute(sa.update(v).where(own).values(newest=False))
            values = _values(verdict)
            found = values.pop("findings")
            db.execute(sa.insert(v).values(**values, newest=True))
            key = {"run_id": verdict.run_id, "rules_version": verdict.rules_version}
            if found:
                db.execute(sa.insert(tables.findings), [key | _values(one) for one in found])
            _note(db, f"judged by {verdict.rules_version}", verdict.run_id, verdict.judged_ns)
        return True

    def verdicts(self, run_id: str) -> Sequence[Verdict]:
        """Return a run's verdicts with their findings."""
        v, f = tables.verdicts, tables.findings
        with self._engine.begin() as db:
            own = sa.select(v).where(v.c.run_id == run_id).order_by(v.c.judged_ns.desc())
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
        with self._engine.begin() as db:
            return [(time_ns, action) for time_ns, action in db.execute(chosen)]

    def counts(self) -> Mapping[str, int]:
        """Return the number of runs by state; states without any count 0."""
        t = tables.runs
        with self._engine.begin() as db:
            rows = db.execute(sa.select(t.c.state, sa.func.count()).group_by(t.c.state)).all()
        return {state.value: 0 for state in RunState} | {str(row[0]): int(row[1]) for row in rows}


def _values(record: Upload | Run | Verdict | SeenFinding) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    if isinstance(record, Run):
        values["state"] = record.state.value
    return values


def _run(db: sa.Connection, run_id: str) -> Run | None:
    row = db.execute(sa.select(tables.runs).where(tables.runs.c.run_id == run_id)).mappings()
    first = row.first()
    return _run_of(first) if first else None


def _run_of(row: Mapping[Any, Any]) -> Run:
    values = {name: row[name] for name in Run.__slots__}
    return Run(**(values | {"state": RunState(values["state"])}))


def _note(db: sa.Connection, action: str, subject: str, now_ns: int) -> None:
    line = {"time_ns": now_ns, "action": action, "subject": subject}
    db.execute(sa.insert(tables.audit).values(**line))
