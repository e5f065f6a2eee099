"""Uploads, and the run that one becomes: what every bundle passes.

The statements are made once: SQLAlchemy takes longer to make one than SQLite to run it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from mptcp_collector.meta import rows, tables
from mptcp_collector.meta.records import Run, ServerCapture, Upload

_U: Final = tables.uploads
_SAME: Final = ("run_id", "bundle_sha256", "deletion_sha256")
_LATER: Final = ("ticket", "token", "collect_until_ns")

_ONE: Final = sa.select(_U).where(_U.c.id == sa.bindparam("upload_id"))
_HERE: Final = sa.select(_U).where(*(_U.c[name] == sa.bindparam(name) for name in _SAME))
_USED: Final = sa.select(sa.func.coalesce(sa.func.sum(_U.c.size_bytes), 0)).where(
    _U.c.netblock == sa.bindparam("netblock"), _U.c.ticket == ""
)
_NEW: Final = sa.insert(_U)
_FINISHED: Final = (
    sa.update(_U).where(_U.c.id == sa.bindparam("upload_id")).values(finished=True, token="")
)
_NEW_RUN: Final = sa.insert(tables.runs)
_NEW_CAPTURE: Final = sa.insert(tables.server_captures)


def one(db: sa.Connection, upload_id: str) -> Upload | None:
    """Return an upload."""
    row = db.execute(_ONE, {"upload_id": upload_id}).mappings().first()
    return Upload(**row) if row else None


def every(db: sa.Connection, *, finished: bool) -> Sequence[Upload]:
    """Return all uploads that are finished, or are not."""
    found = db.execute(sa.select(_U).where(_U.c.finished.is_(finished))).mappings()
    return [Upload(**row) for row in found]


def add(db: sa.Connection, upload: Upload, quota_bytes: int) -> Upload | None:
    """Keep a new upload, or return the one that is here; None: its netblock has its share."""
    values = rows.values(upload)
    here = db.execute(_HERE, {name: values[name] for name in _SAME}).mappings().first()
    if here is not None:
        known = Upload(**here)
        if known.finished or known.ticket or not upload.ticket:
            return known
        # the first time it came without, or with one that was not believed
        later = {name: values[name] for name in _LATER}
        db.execute(sa.update(_U).where(_U.c.id == known.id).values(**later))
        return replace(known, **later)
    if not upload.ticket:
        used = int(db.execute(_USED, {"netblock": upload.netblock}).scalar_one())
        if used + upload.size_bytes > quota_bytes:
            return None
    db.execute(_NEW, values)
    return upload


def forget(db: sa.Connection, upload_id: str) -> None:
    """Remove an upload's record."""
    db.execute(sa.delete(_U).where(_U.c.id == upload_id))


def add_run(db: sa.Connection, run: Run, *, upload_id: str, capture: ServerCapture | None) -> Run:
    """Keep a run once, and mark its upload finished; return the run that is here now."""
    here = rows.run(db, run.run_id)
    if here is None:
        db.execute(_NEW_RUN, rows.values(run))
        rows.note(db, "received", run.run_id, run.received_ns)
        if capture is not None:
            db.execute(_NEW_CAPTURE, rows.values(capture))
        here = run
    if here.bundle_sha256 == run.bundle_sha256:
        db.execute(_FINISHED, {"upload_id": upload_id})
    return here
