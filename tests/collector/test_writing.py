"""Transactions of many threads that share a commit."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mptcp_collector.meta import engine, rows, tables
from mptcp_collector.meta.writing import Work, Writing

WAIT_S = 60
THREADS = 20


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    found = engine.opened(f"sqlite:///{tmp_path}/collector.sqlite")
    yield found
    found.dispose()


def lines(database: sa.Engine) -> list[str]:
    with engine.reading(database).begin() as db:
        return list(db.execute(sa.select(tables.audit.c.action)).scalars())


def commits(database: sa.Engine) -> list[str]:
    """Return a list that gets a word for every commit: how durable it is."""
    found: list[str] = []

    def committed(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        (level,) = driver.execute("PRAGMA synchronous").fetchone()
        found.append({1: "later", 2: "durable"}[level])

    sa.event.listen(database, "commit", committed)
    return found


def all_at_once(writing: Writing, works: list[Work[object]]) -> list[object]:
    """Run works while somebody holds the turn, so that all have arrived when it is given back."""
    held, release = threading.Event(), threading.Event()

    def hold(_: sa.Connection) -> None:
        held.set()
        assert release.wait(WAIT_S)

    def run(work: Work[object]) -> object:
        try:
            return writing(work)
        except ValueError as e:
            return e

    with ThreadPoolExecutor(len(works) + 1) as pool:
        holding = pool.submit(writing, hold)
        assert held.wait(WAIT_S)
        waiting = [pool.submit(run, work) for work in works]
        while writing.waiting_count < len(works):
            threading.Event().wait(0.001)
        release.set()
        holding.result(WAIT_S)
        return [one.result(WAIT_S) for one in waiting]


def test_what_arrives_meanwhile_is_committed_at_once(database: sa.Engine) -> None:
    counted = commits(database)

    def work(number: int) -> Work[object]:
        def note(db: sa.Connection) -> object:
            rows.note(db, f"line {number}", "subject", 0)
            return number

        return note

    assert all_at_once(Writing(database), [work(n) for n in range(THREADS)]) == list(range(THREADS))
    assert len(counted) == 2, "who held the turn, and all others together"
    assert sorted(lines(database)) == sorted(f"line {n}" for n in range(THREADS))


def test_one_that_fails_undoes_its_own_only(database: sa.Engine) -> None:
    def good(db: sa.Connection) -> str:
        rows.note(db, "good", "subject", 0)
        return "done"

    def bad(db: sa.Connection) -> None:
        rows.note(db, "bad", "subject", 0)
        raise ValueError

    found = all_at_once(Writing(database), [good, bad, good])
    assert [type(one) for one in found] == [str, ValueError, str]
    assert lines(database) == ["good", "good"]


def test_a_commit_waits_for_the_disk_unless_all_in_it_may_come_later(database: sa.Engine) -> None:
    counted = commits(database)
    writing = Writing(database)
    for durable in (True, False, False, True, False):
        writing(lambda db: rows.note(db, "line", "subject", 0), durable=durable)
    assert counted == ["durable", "later", "later", "durable", "later"]
    assert len(lines(database)) == 5


def test_a_full_disk_fails_everybody_and_keeps_nothing(database: sa.Engine) -> None:
    def full(_: sa.Connection) -> None:
        message = "database or disk is full"
        raise sa.exc.OperationalError("COMMIT", {}, Exception(message))

    def failed(db: sa.Connection) -> None:
        rows.note(db, "line", "subject", 0)

    sa.event.listen(database, "commit", full)
    writing = Writing(database)
    for _ in range(2):
        with pytest.raises(sa.exc.OperationalError, match="full"):
            writing(failed)
    sa.event.remove(database, "commit", full)
    assert lines(database) == []
    writing(failed)
    assert lines(database) == ["line"]
