"""What is thought of runs: descriptions, verdicts, quarantine, and what a reanalysis changed."""

from collections.abc import Sequence

import sqlalchemy as sa

from mptcp_collector.meta import rows, tables
from mptcp_collector.meta.records import (
    Changed,
    Description,
    Reanalysis,
    RunState,
    SeenFinding,
    Verdict,
)


def describe(db: sa.Connection, run_id: str, told: Description, publish_ns: int | None) -> None:
    """Keep what a bundle says of its run, in place of what was kept before."""
    r, m = tables.runs, tables.marks
    live = sa.and_(r.c.run_id == run_id, r.c.state != RunState.DELETED.value)
    said = {
        "purposes": " ".join(told.purposes),
        "captures": " ".join(told.captures),
        "publish_ns": publish_ns,
    }
    marks = [
        {"run_id": run_id, "kind": kind, "value": value}
        for kind, found in told.marks.items()
        for value in found
    ]
    if db.execute(sa.update(r).where(live).values(**said)).rowcount:
        db.execute(sa.delete(m).where(m.c.run_id == run_id))
        if marks:
            db.execute(sa.insert(m), marks)


def quarantine(db: sa.Connection, run_id: str, reason: str, now_ns: int) -> None:
    """Put a run that is not deleted into quarantine; one with a verdict keeps that."""
    t, v = tables.runs, tables.verdicts
    live = sa.and_(t.c.run_id == run_id, t.c.state != RunState.DELETED.value)
    judged = db.execute(sa.select(v.c.run_id).where(v.c.run_id == run_id)).first()
    state = RunState.ANALYSED if judged else RunState.QUARANTINED
    said = {"state": state.value, "reason": "" if judged else reason}
    db.execute(sa.update(t).where(live).values(**said))
    # the word only: what follows may quote the bundle
    word = reason.partition(":")[0]
    rows.note(db, f"{'not judged again' if judged else 'quarantined'}: {word}", run_id, now_ns)


def add_verdict(db: sa.Connection, verdict: Verdict, *, final: bool) -> bool:
    """Keep a verdict of a run that is not deleted, once; say whether it is new."""
    r, v = tables.runs, tables.verdicts
    own = v.c.run_id == verdict.run_id
    this = sa.and_(own, v.c.rules_version == verdict.rules_version)
    run = rows.run(db, verdict.run_id)
    if run is None or run.state is RunState.DELETED:
        return False
    new = db.execute(sa.select(v.c.run_id).where(this)).first() is None
    if new:
        values = rows.values(verdict)
        found = values.pop("findings")
        db.execute(sa.insert(v).values(**values, newest=False))
        key = {"run_id": verdict.run_id, "rules_version": verdict.rules_version}
        if found:
            db.execute(sa.insert(tables.findings), [key | rows.values(one) for one in found])
        action = f"judged by {verdict.rules_version}"
        rows.note(db, action, verdict.run_id, verdict.judged_ns)
    if final:
        state = {"state": RunState.ANALYSED.value, "reason": ""}
        db.execute(sa.update(r).where(r.c.run_id == verdict.run_id).values(**state))
        db.execute(sa.update(v).where(own).values(newest=False))
        db.execute(sa.update(v).where(this).values(newest=True))
    return new


def verdicts(db: sa.Connection, run_id: str) -> Sequence[Verdict]:
    """Return a run's verdicts with their findings, newest first."""
    v, f = tables.verdicts, tables.findings
    newest_first = (v.c.newest.desc(), v.c.judged_ns.desc())
    own = sa.select(v).where(v.c.run_id == run_id).order_by(*newest_first)
    kept = db.execute(own).mappings().all()
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
        for row in kept
    ]


def begin_reanalysis(db: sa.Connection, rules_version: str, now_ns: int) -> int:
    """Note that all runs are judged again; return its number."""
    values = {"time_ns": now_ns, "rules_version": rules_version, "judged_count": 0}
    key = db.execute(sa.insert(tables.reanalyses).values(**values)).inserted_primary_key
    return int(key[0]) if key else 0


def add_change(db: sa.Connection, reanalysis: int, change: Changed) -> None:
    """Keep what a reanalysis changed."""
    values = rows.values(change) | {"reanalysis": reanalysis}
    values |= {name: " ".join(values[name]) for name in ("appeared", "gone")}
    db.execute(sa.insert(tables.changes).values(**values))


def end_reanalysis(db: sa.Connection, reanalysis: int, judged_count: int) -> None:
    """Say how many runs were judged."""
    t = tables.reanalyses
    db.execute(sa.update(t).where(t.c.id == reanalysis).values(judged_count=judged_count))


def reanalyses(db: sa.Connection) -> Sequence[Reanalysis]:
    """Return all reanalyses, newest first."""
    t = tables.reanalyses
    return [
        Reanalysis(**row) for row in db.execute(sa.select(t).order_by(t.c.id.desc())).mappings()
    ]


def changes(db: sa.Connection, reanalysis: int, public_at_ns: int | None) -> Sequence[Changed]:
    """Return what a reanalysis changed in runs that are there and may be seen."""
    t, r = tables.changes, tables.runs
    live = [t.c.reanalysis == reanalysis, r.c.state != RunState.DELETED.value]
    if public_at_ns is not None:
        live.append(r.c.publish_ns <= public_at_ns)
    chosen = sa.select(t).join_from(t, r, t.c.run_id == r.c.run_id).where(*live)
    return [
        Changed(
            **{n: row[n] for n in Changed.__slots__ if n not in {"appeared", "gone"}},
            appeared=tuple(row["appeared"].split()),
            gone=tuple(row["gone"].split()),
        )
        for row in db.execute(chosen.order_by(t.c.run_id)).mappings()
    ]
