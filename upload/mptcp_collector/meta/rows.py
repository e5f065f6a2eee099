"""Between records and rows, and what several kinds of them need in one transaction."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from mptcp_collector.meta import tables
from mptcp_collector.meta.records import (
    CaptureState,
    Changed,
    Export,
    Run,
    RunState,
    SeenFinding,
    ServerCapture,
    Upload,
    Verdict,
)

Record = Upload | Run | Verdict | SeenFinding | ServerCapture | Changed | Export

_RUN: Final = sa.select(tables.runs).where(tables.runs.c.run_id == sa.bindparam("run_id"))
_NOTE: Final = sa.insert(tables.audit)


def values(record: Record) -> dict[str, Any]:
    """Return a record's columns."""
    found = {name: getattr(record, name) for name in record.__slots__}
    if isinstance(record, Run | ServerCapture):
        found["state"] = record.state.value
    return found


def run_of(row: Mapping[Any, Any]) -> Run:
    """Return the run of a row."""
    found = {name: row[name] for name in Run.__slots__}
    return Run(**(found | {"state": RunState(found["state"])}))


def run(db: sa.Connection, run_id: str) -> Run | None:
    """Return a run, a deleted one too."""
    row = db.execute(_RUN, {"run_id": run_id}).mappings().first()
    return run_of(row) if row else None


def note(db: sa.Connection, action: str, subject: str, now_ns: int) -> None:
    """Write a line of the audit log."""
    db.execute(_NOTE, {"time_ns": now_ns, "action": action, "subject": subject})


def capture_of(row: Mapping[Any, Any]) -> ServerCapture:
    """Return the measurement server's capture of a row."""
    return ServerCapture(**{**row, "state": CaptureState(row["state"])})


def drop_capture(db: sa.Connection, run_id: str) -> None:
    """Say that the measurement server's capture of a run is gone, if there was one."""
    # the digest stays: a crash may come before the bytes are removed
    t = tables.server_captures
    gone = {"state": CaptureState.GONE.value, "token": "", "reason": ""}
    db.execute(sa.update(t).where(t.c.run_id == run_id).values(**gone))
