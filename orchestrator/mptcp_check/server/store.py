"""Sessions in SQLite: they survive a crash and an upgrade.

Write-ahead log with full synchronisation: what an answer promised is on the disk.  One connection
for all threads behind a lock: a statement here takes microseconds, a commit one fsync.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mptcp_check.errors import UsageError
from mptcp_check.server.session import CaptureState, End, Session

VERSION: Final = 1
"""``user_version`` of the file; a later one is refused, an earlier one would be migrated here."""

HOUR_NS: Final = 3600 * 10**9

_SCHEMA: Final = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL,
    nonce TEXT NOT NULL UNIQUE,
    netblock TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL,
    collect_until_ns INTEGER NOT NULL,
    ended_ns INTEGER,
    "end" TEXT NOT NULL,
    capture TEXT NOT NULL,
    kernel_counters TEXT NOT NULL,
    alone INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_open ON sessions (netblock) WHERE "end" = 'open';
CREATE INDEX sessions_recent ON sessions (netblock, created_ns);
CREATE INDEX sessions_ended ON sessions (ended_ns);
CREATE TABLE used (
    netblock TEXT NOT NULL,
    hour INTEGER NOT NULL,
    captured_bytes INTEGER NOT NULL DEFAULT 0,
    fetched_bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (netblock, hour)
) WITHOUT ROWID;
"""

_COLUMNS: Final = (
    "id, run_id, nonce, netblock, created_ns, expires_ns, collect_until_ns, ended_ns,"
    ' "end", capture, kernel_counters, alone'
)


class Store:
    """The database of one server.

    Args:
        path: The file; made when it is not there.

    Raises:
        UsageError: It is of a later version of this program, or no database.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=10
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as e:
            raise UsageError(f"{path} cannot be used: {e}") from None
        if version > VERSION:
            raise UsageError(
                f"{path} is of a later version of this program",
                hint="upgrade, or name another state",
            )
        if version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all that is in the block, or nothing of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def add(self, session: Session) -> None:
        """Keep a new session."""
        row = (
            session.id,
            session.run_id,
            session.nonce,
            session.netblock,
            session.created_ns,
            session.expires_ns,
            session.collect_until_ns,
            session.ended_ns,
            session.end.value,
            session.capture.value,
            session.kernel_counters,
            int(session.alone),
        )
        marks = ",".join("?" * len(row))
        self._all(f"INSERT INTO sessions ({_COLUMNS}) VALUES ({marks})", *row)  # noqa: S608 - names of ours
        if not session.alone:
            self._all("UPDATE sessions SET alone = 0 WHERE \"end\" = 'open'")

    def find(self, session_id: str) -> Session | None:
        """Return a session, or none."""
        rows = self._all(f"SELECT {_COLUMNS} FROM sessions WHERE id = ?", session_id)  # noqa: S608 - as above
        return _session(rows[0]) if rows else None

    def end(self, session_id: str, end: End, *, at_ns: int, collect_until_ns: int) -> None:
        """End an open session."""
        self._all(
            'UPDATE sessions SET "end" = ?, ended_ns = ?, collect_until_ns = ?'
            " WHERE id = ? AND \"end\" = 'open'",
            *(end.value, at_ns, collect_until_ns, session_id),
        )

    def set_capture(self, session_id: str, state: CaptureState) -> None:
        """Write down how far a capture is."""
        self._all("UPDATE sessions SET capture = ? WHERE id = ?", state.value, session_id)

    def overdue(self, now_ns: int) -> list[Session]:
        """Return open sessions whose time has run out."""
        return self._sessions("\"end\" = 'open' AND expires_ns <= ?", now_ns)

    def unfinished_captures(self) -> list[Session]:
        """Return ended sessions whose capture was not stopped: something crashed in between."""
        return self._sessions("\"end\" != 'open' AND capture = 'running'")

    def captures_kept_before(self, time_ns: int) -> list[Session]:
        """Return sessions that ended before a time and whose capture is still there."""
        return self._sessions("ended_ns < ? AND capture = 'stopped'", time_ns)

    def ended_before(self, time_ns: int) -> list[Session]:
        """Return sessions that ended before a time."""
        return self._sessions("ended_ns < ?", time_ns)

    def forget(self, session_id: str) -> None:
        """Remove a session's record."""
        self._all("DELETE FROM sessions WHERE id = ?", session_id)

    def forget_use_before(self, time_ns: int) -> None:
        """Remove what was counted in hours before a time."""
        self._all("DELETE FROM used WHERE hour < ?", time_ns // HOUR_NS)

    def open_count(self, netblock: str | None = None) -> int:
        """Return how many sessions are open, of one netblock or of all."""
        if netblock is None:
            return self._number("SELECT count(*) FROM sessions WHERE \"end\" = 'open'")
        return self._number(
            "SELECT count(*) FROM sessions WHERE \"end\" = 'open' AND netblock = ?", netblock
        )

    def created_count(self, netblock: str, *, since_ns: int) -> int:
        """Return how many sessions a netblock began since a time."""
        return self._number(
            "SELECT count(*) FROM sessions WHERE netblock = ? AND created_ns >= ?",
            netblock,
            since_ns,
        )

    def session_ns(self, netblock: str, *, since_ns: int, now_ns: int) -> int:
        """Return for how long, added up, a netblock had sessions since a time."""
        return self._number(
            "SELECT coalesce(sum(max(0, coalesce(ended_ns, ?) - max(created_ns, ?))), 0)"
            " FROM sessions WHERE netblock = ?"
            " AND (\"end\" = 'open' OR ended_ns >= ?)",
            *(now_ns, since_ns, netblock, since_ns),
        )

    def add_use(
        self, netblock: str, *, now_ns: int, captured_bytes: int = 0, fetched_bytes: int = 0
    ) -> None:
        """Count bytes against a netblock's allowance of the hour."""
        self._all(
            "INSERT INTO used VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " captured_bytes = captured_bytes + excluded.captured_bytes,"
            " fetched_bytes = fetched_bytes + excluded.fetched_bytes",
            *(netblock, now_ns // HOUR_NS, captured_bytes, fetched_bytes),
        )

    def used(self, netblock: str, *, now_ns: int) -> tuple[int, int]:
        """Return the bytes captured and fetched in the current hour of the clock."""
        rows = self._all(
            "SELECT captured_bytes, fetched_bytes FROM used WHERE netblock = ? AND hour = ?",
            *(netblock, now_ns // HOUR_NS),
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def _sessions(self, where: str, *values: object) -> list[Session]:
        rows = self._all(f"SELECT {_COLUMNS} FROM sessions WHERE {where} LIMIT 1000", *values)  # noqa: S608 - as above
        return [_session(row) for row in rows]

    def _number(self, statement: str, *values: object) -> int:
        return int(self._all(statement, *values)[0][0])

    def _all(self, statement: str, *values: object) -> Sequence[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()


def _session(row: Sequence[Any]) -> Session:
    return Session(
        id=row[0],
        run_id=row[1],
        nonce=row[2],
        netblock=row[3],
        created_ns=row[4],
        expires_ns=row[5],
        collect_until_ns=row[6],
        ended_ns=row[7],
        end=End(row[8]),
        capture=CaptureState(row[9]),
        kernel_counters=row[10],
        alone=bool(row[11]),
    )
