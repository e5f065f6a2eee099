"""What is kept and what goes: live runs and their bundles, tombstones, the servers' captures."""

import json
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from mptcp_collector.meta import rows, tables
from mptcp_collector.meta.records import CaptureState, Run, RunState, ServerCapture

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

_R: Final = tables.runs
_C: Final = tables.server_captures
_LIVE: Final = _R.c.state != RunState.DELETED.value


def runs_in(db: sa.Connection, state: RunState, limit: int) -> Sequence[Run]:
    """Return runs of a state, oldest first."""
    chosen = sa.select(_R).where(_R.c.state == state.value).order_by(_R.c.received_ns)
    return [rows.run_of(row) for row in db.execute(chosen.limit(limit)).mappings()]


def received_before(db: sa.Connection, time_ns: int) -> Sequence[Run]:
    """Return live runs that came before a time, oldest first."""
    chosen = sa.select(_R).where(_R.c.received_ns < time_ns, _LIVE).order_by(_R.c.received_ns)
    return [rows.run_of(row) for row in db.execute(chosen).mappings()]


def bundle_wanted(db: sa.Connection, sha256: str) -> bool:
    """Say whether a live run has a bundle, or a server's capture, of this digest."""
    bundle = sa.select(_R.c.run_id).where(
        _R.c.bundle_sha256 == sha256, _LIVE, _R.c.traces_gone_ns.is_(None)
    )
    joined = _C.c.state == CaptureState.JOINED.value
    capture = sa.select(_C.c.run_id).where(_C.c.sha256 == sha256, joined)
    return any(db.execute(one.limit(1)).first() for one in (bundle, capture))


def deleted_bundles(db: sa.Connection) -> Sequence[str]:
    """Return the digests of what runs had that are deleted, or older than their traces."""
    bundles = sa.select(_R.c.bundle_sha256).where(
        sa.or_(_R.c.state == RunState.DELETED.value, _R.c.traces_gone_ns.is_not(None))
    )
    gone = _C.c.state == CaptureState.GONE.value
    captures = sa.select(_C.c.sha256).where(gone, _C.c.sha256 != "")
    return [digest for one in (bundles, captures) for digest in db.execute(one).scalars()]


def delete_run(db: sa.Connection, run_id: str, now_ns: int, action: str) -> None:
    """Make a tombstone of a run and remove all that goes with it."""
    for table in _OF_RUN:
        db.execute(sa.delete(table).where(table.c.run_id == run_id))
    db.execute(sa.update(_R).where(_R.c.run_id == run_id).values(**_GONE))
    rows.drop_capture(db, run_id)
    rows.note(db, action, run_id, now_ns)


def expire_traces(db: sa.Connection, run_id: str, now_ns: int) -> None:
    """Say that a run's bundle is removed; its verdicts stay, without packets."""
    v = tables.verdicts
    own = v.c.run_id == run_id
    for version, report in db.execute(sa.select(v.c.rules_version, v.c.report).where(own)).all():
        this = sa.update(v).where(own, v.c.rules_version == version)
        db.execute(this.values(report=without_packets(report)))
    rows.drop_capture(db, run_id)
    gone = {"traces_gone_ns": now_ns, "captures": ""}
    db.execute(sa.update(_R).where(_R.c.run_id == run_id).values(**gone))
    rows.note(db, "traces removed: kept long enough", run_id, now_ns)


def without_packets(report: str) -> str:
    """Return a report's text without its packets; one that is none becomes an empty object."""
    try:
        document = json.loads(report)
        (document.get("report") or document)["packets"] = []
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "{}"
    return json.dumps(document)


def server_capture(db: sa.Connection, run_id: str) -> ServerCapture | None:
    """Return what is known of the measurement server's capture of a run."""
    row = db.execute(sa.select(_C).where(_C.c.run_id == run_id)).mappings().first()
    return rows.capture_of(row) if row else None


def captures_due(db: sa.Connection, now_ns: int, limit: int) -> Sequence[ServerCapture]:
    """Return captures that shall be tried to get now."""
    due = sa.and_(_C.c.state == CaptureState.WAITING.value, _C.c.next_try_ns <= now_ns)
    chosen = sa.select(_C).where(due).order_by(_C.c.next_try_ns).limit(limit)
    return [rows.capture_of(row) for row in db.execute(chosen).mappings()]


def set_server_capture(
    db: sa.Connection, capture: ServerCapture, *, note: str, now_ns: int
) -> bool:
    """Keep how far a capture is, if its run still is; an empty note is no audit line."""
    # one that was dropped with its run stays so
    waits = _C.c.state == CaptureState.WAITING.value
    own = sa.update(_C).where(_C.c.run_id == capture.run_id, waits)
    there = db.execute(own.values(**rows.values(capture))).rowcount > 0
    if there and note:
        rows.note(db, note, capture.run_id, now_ns)
    if there and capture.state is CaptureState.JOINED:
        again = sa.and_(_R.c.run_id == capture.run_id, _R.c.state == RunState.ANALYSED.value)
        db.execute(sa.update(_R).where(again).values(state=RunState.RECEIVED.value))
    return there
