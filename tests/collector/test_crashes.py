"""A collector that dies at any point: nothing with a receipt is lost, nothing half is visible."""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from collector_parts import RUN_ID, Clock, bundle, configuration, made
from mptcp_collector.collector import Collector
from mptcp_collector.meta.records import Wanted
from mptcp_collector.meta.sql_store import SqlStore
from mptcp_collector.problem import ProblemError
from mptcp_collector.tus import Announced

Result = TypeVar("Result")
OCTETS = bundle(size_bytes=3000)
DIGEST = hashlib.sha256(OCTETS).hexdigest()
CALLS = ("fsync", "pwrite", "link", "ftruncate", "unlink", "mkdir", "open")
WISH = Announced(
    run_id=RUN_ID,
    bundle_sha256=DIGEST,
    size_bytes=len(OCTETS),
    schema=1,
    deletion_sha256="cd" * 32,
)


class Died(BaseException):
    """The process ends here: no handler of ours may catch it."""


def failing(patched: pytest.MonkeyPatch, at: int, fail: Callable[[], None]) -> Callable[[], int]:
    """Make the call number `at` of the system calls above, or of the transactions, fail."""
    count = itertools.count()
    last = 0

    def wrap(real: Callable[..., Result]) -> Callable[..., Result]:
        def call(*arguments: object, **named: object) -> Result:
            nonlocal last
            last = next(count)
            if last == at:
                fail()
            return real(*arguments, **named)

        return call

    for name in CALLS:
        patched.setattr(os, name, wrap(getattr(os, name)))
    for name in ("open_upload", "add_run", "forget_upload"):
        patched.setattr(SqlStore, name, wrap(getattr(SqlStore, name)))
    return lambda: last


def send(collector: Collector) -> None:
    """Upload in three chunks, from where it stopped."""
    receiving = collector.receiving
    upload, offset = receiving.create(WISH, "192.0.2.7")
    while offset < len(OCTETS):
        upload, part = receiving.begin(upload.id, offset)
        try:
            part.write(OCTETS[offset : offset + 1000])
            offset = part.size_bytes
            if offset == len(OCTETS):
                receiving.finish(upload, part)
        finally:
            part.close()
    receiving.at(upload.id)


def whole_or_nothing(collector: Collector) -> bool:
    """See that a visible run has all its bytes; return whether there is one."""
    total, _ = collector.receiving.meta.runs(Wanted())
    if total:
        with collector.receiving.blobs.open(collector.receiving.run(RUN_ID).bundle_sha256) as kept:
            assert kept.read() == OCTETS
    for digest in collector.receiving.blobs.digests():
        with collector.receiving.blobs.open(digest) as kept:
            assert hashlib.sha256(kept.read()).hexdigest() == digest
    return total == 1


def points(folder: Path) -> int:
    """Return how many calls an upload without a failure makes."""
    with pytest.MonkeyPatch.context() as patched:
        last = failing(patched, -1, lambda: None)
        collector = made(configuration(folder), Clock())
        send(collector)
        collector.close()
        return last() + 1


def test_a_crash_at_any_call_costs_nothing(tmp_path: Path) -> None:
    def die() -> None:
        raise Died

    count = points(tmp_path / "whole")
    assert count > 15
    for at in range(count):
        folder = tmp_path / f"died-{at}"
        with pytest.MonkeyPatch.context() as patched:
            failing(patched, at, die)
            with pytest.raises(Died):
                send(made(configuration(folder), Clock()))
        collector = made(configuration(folder), Clock())
        receipt = collector.receiving.run(RUN_ID).receipt if whole_or_nothing(collector) else ""
        send(collector)
        assert whole_or_nothing(collector), at
        kept = collector.receiving.run(RUN_ID).receipt
        assert receipt in ("", kept), at
        assert collector.receiving.spool.ids() == frozenset(), at
        collector.close()


@pytest.mark.slow
def test_killed_at_any_call_nothing_with_a_receipt_is_lost_and_nothing_half_is_visible(
    tmp_path: Path,
) -> None:
    count = points(tmp_path / "whole")
    table = []
    for at in range(count):
        folder = tmp_path / f"killed-{at}"
        script = f"from collector.killed import main; main({str(folder)!r}, {at})"
        done = subprocess.run([sys.executable, "-c", script], env=_with_tests(), check=False)
        assert done.returncode == -signal.SIGKILL, at
        collector = made(configuration(folder), Clock())
        receipt = collector.receiving.run(RUN_ID).receipt if whole_or_nothing(collector) else ""
        table.append(bool(receipt))
        send(collector)
        assert whole_or_nothing(collector), at
        assert receipt in ("", collector.receiving.run(RUN_ID).receipt), at
        assert collector.receiving.spool.ids() == frozenset(), at
        collector.close()
    # up to some point there was no run, and after it there was one
    assert table == sorted(table)
    assert {True, False} == set(table)


def _with_tests() -> dict[str, str]:
    folders = [str(Path(__file__).parents[1]), *(path for path in sys.path if path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def test_a_full_disk_at_any_call_costs_nothing(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "full"
    collector = made(configuration(folder), Clock())
    for at in range(points(tmp_path / "whole")):
        collector.receiving.meta.delete_run("no-run", now_ns=0)
        with pytest.MonkeyPatch.context() as patched:
            last = failing(patched, at, full)
            try:
                send(collector)
            except OSError as e:
                assert e.errno == errno.ENOSPC  # noqa: PT017 - success is an answer too
            else:
                assert last() < at
        whole_or_nothing(collector)
    send(collector)
    assert whole_or_nothing(collector)
    collector.close()


def test_bytes_that_a_power_cut_took_are_asked_for_again(tmp_path: Path) -> None:
    collector = made(configuration(tmp_path), Clock())
    upload, _ = collector.receiving.create(WISH, "192.0.2.7")
    path = collector.receiving.spool.path(upload.id)
    path.write_bytes(OCTETS[:2000])
    os.truncate(path, 512)
    collector.close()
    again = made(configuration(tmp_path), Clock())
    assert again.receiving.at(upload.id)[1] == 512
    # the length came to the disk and the bytes did not
    path.write_bytes(OCTETS[:512] + bytes(len(OCTETS) - 512))
    with pytest.raises(ProblemError, match="first byte"):
        again.receiving.at(upload.id)
    send(again)
    assert whole_or_nothing(again)
    again.close()


def test_a_backup_taken_while_it_runs_is_restored(tmp_path: Path) -> None:
    running = made(configuration(tmp_path / "state"), Clock())
    send(running)
    backup = tmp_path / "backup"
    backup.mkdir()
    # as the handbook says: the database first, then the bundles and the key
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "state" / "collector.sqlite")) as source,
        contextlib.closing(sqlite3.connect(backup / "collector.sqlite")) as target,
    ):
        source.backup(target)
    shutil.copytree(tmp_path / "state" / "blobs", backup / "blobs")
    shutil.copy(tmp_path / "state" / "receipt-key.pem", backup)
    restored = made(configuration(backup), Clock())
    assert whole_or_nothing(restored)
    assert restored.receiving.run(RUN_ID) == running.receiving.run(RUN_ID)
    assert restored.receiving.key.public_key() == running.receiving.key.public_key()
    restored.close()
    running.close()
