"""Transactions that write: many threads' share one commit where there is one writer at a time.

SQLite has one writer at a time, and each commit waits for the disk.  So whoever finds another
transaction running leaves its own to the next turn: who gets that does everything that has
arrived, and commits once (group commit).  PostgreSQL does the like by itself.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar, cast

import sqlalchemy as sa

from mptcp_collector.meta.engine import later_on_disk, locked

Result = TypeVar("Result")
Work = Callable[[sa.Connection], Result]


class _Job(Generic[Result]):
    """What one thread wants, and what came of it."""

    def __init__(self, work: Work[Result], *, durable: bool) -> None:
        self.work: Final = work
        self.durable: Final = durable
        self.done = False
        self.result: Result | None = None
        self.error: BaseException | None = None


class Writing:
    """Runs work in transactions.

    Args:
        engine: As `engine.opened` gives it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._later = later_on_disk(engine)
        self._one_writer = engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        self._arriving = threading.Lock()
        self._arrived: list[_Job[object]] = []

    @property
    def waiting_count(self) -> int:
        """How much work waits for the next turn."""
        return len(self._arrived)

    def __call__(
        self, work: Work[Result], *, locks: Sequence[str] = (), durable: bool = True
    ) -> Result:
        """Run work and commit; after an exception nothing of it is kept.

        Args:
            work: What to do; it may be run again when others' work, which it shared a
                transaction with, failed.
            locks: Names: who has one of them waits for the other's end.
            durable: On the disk on return.  Else a power cut may undo it, and all that came
                after it and was not durable either; never the end of the process.
        """
        job: _Job[Result] = _Job(work, durable=durable)
        if not self._one_writer:
            with (self._engine if durable else self._later).begin() as db:
                locked(db, *locks)
                return work(db)
        with self._arriving:
            self._arrived.append(cast("_Job[object]", job))
        with self._turn:
            if not job.done:
                with self._arriving:
                    jobs, self._arrived = self._arrived, []
                self._commit(jobs)
        if job.error is not None:
            raise job.error
        return cast("Result", job.result)

    def _commit(self, jobs: Sequence[_Job[object]]) -> None:
        try:
            durable = any(job.durable for job in jobs)
            with (self._engine if durable else self._later).begin() as db:
                for job in jobs:
                    job.result = job.work(db)
        except BaseException as e:  # noqa: BLE001 - every thread gets its own
            if len(jobs) == 1:
                jobs[0].error = e
            else:
                for job in jobs:
                    self._commit([job])
        for job in jobs:
            job.done = True
