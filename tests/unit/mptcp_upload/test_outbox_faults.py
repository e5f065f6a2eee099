"""Every system call of the outbox fails, is the process's last, or the computer's: one stored run.

`CALLS` is the table: what an upload does to its folder, in order. A test compares it with what is
done, so a new call is a new row, and each row is a case for every fault.
"""

import dataclasses
import errno
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # its collector is a module beside it
from a_collector import PUBLIC, Collector, collector
from a_disk import Platter, restore
from outbox_calls import failing_at, upload, watched

from mptcp_upload.outbox import Entry, Outbox, State

BUNDLE = bytes(range(200))
DIGEST = hashlib.sha256(BUNDLE).hexdigest()

_WRITE = ("open", "write", "fsync", "close")
_SETTLE = ("open", "fsync", "close")


def _written(path: str) -> list[tuple[str, str]]:
    return [(call, path) for call in _WRITE]


def _settled(path: str) -> list[tuple[str, str]]:
    return [(call, path) for call in _SETTLE]


def _replaced(name: str) -> list[tuple[str, str]]:
    new = f"RUN/.{name}.PID.new"
    return [*_written(new), ("replace", new), *_settled("RUN")]


CALLS = [
    # the outbox is made, and held
    *[("mkdir", "."), *_settled("around")],
    *[("open", ".lock"), ("flock", ".lock"), *[("scandir", ".")] * 3],
    # put: whole before it has its name
    *[("mkdir", "."), *_settled("around"), ("read", "RUN/state.json"), ("mkdir", ".RUN.PID.new")],
    *_written(".RUN.PID.new/bundle.tar"),
    *_written(".RUN.PID.new/state.json"),
    *_settled(".RUN.PID.new"),
    *[("replace", ".RUN.PID.new"), *_settled(".")],
    # the bundle is read, the attempt counted, the place of the upload kept before a byte goes there
    ("read", "RUN/bundle.tar"),
    *_replaced("state.json"),
    *_replaced("state.json"),
    # the receipt, then the state that says so
    *_replaced("receipt.json"),
    *_replaced("state.json"),
    ("close", ".lock"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def children() -> Iterator["subprocess.Popen[str]"]:
    program = [sys.executable, str(Path(__file__).with_name("outbox_calls.py"))]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as running:
        yield running
        assert running.stdin
        running.stdin.close()


def entry_of(server: Collector, run_id: str) -> Entry:
    return Entry(
        run_id=run_id,
        bundle_sha256=DIGEST,
        size_bytes=len(BUNDLE),
        collector=server.url,
        collector_key=PUBLIC,
        deletion_token="the same each time",  # noqa: S106 - a test's
    )


def see_one_stored_run(server: Collector, folder: Path, entry: Entry) -> None:
    """Start again with all well, and see the end that every fault must come to."""
    with watched(folder, lambda *_: None):
        done = upload(folder, entry, BUNDLE)
    assert done.state is State.RECEIVED
    assert server.runs[entry.run_id] == BUNDLE
    assert server.stored[entry.run_id] == 1
    assert server.deletion[entry.run_id] == entry.deletion_sha256
    box = Outbox(folder)
    with box.alone() as mine:
        assert mine
    assert sorted(p.name for p in folder.iterdir()) == [".lock", entry.run_id]
    assert sorted(p.name for p in (folder / entry.run_id).iterdir()) == [
        "bundle.tar",
        "receipt.json",
        "state.json",
    ]
    assert box.bundle(done) == BUNDLE
    assert box.entries() == [done]


def test_the_table_is_what_an_upload_does(tmp_path: Path, server: Collector) -> None:
    entry = entry_of(server, "table")
    seen: list[tuple[str, str]] = []

    def note(name: str, path: str) -> None:
        parts = (p.replace(entry.run_id, "RUN") for p in path.split("/"))
        named = "/".join(_without_process(p) for p in parts)
        seen.append((name, named))

    with watched(tmp_path / "outbox", note):
        upload(tmp_path / "outbox", entry, BUNDLE)
    assert seen == CALLS


def _without_process(part: str) -> str:
    return ".".join("PID" if word.isdecimal() else word for word in part.split("."))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, 0], ids=["EIO", "ENOSPC", "kill -9"])
def test_a_call_that_fails_or_is_the_last_costs_no_run_and_doubles_none(
    tmp_path: Path, server: Collector, children: "subprocess.Popen[str]", code: int
) -> None:
    assert children.stdin
    assert children.stdout
    for at, (call, path) in enumerate(CALLS):
        entry = entry_of(server, f"fault-{code}-{at}")
        folder = tmp_path / str(at) / "outbox"
        folder.parent.mkdir()
        case = {
            "folder": str(folder),
            "entry": dataclasses.asdict(entry),
            "bundle": BUNDLE.hex(),
            "at": at,
            "errno": code,
        }
        children.stdin.write(json.dumps(case) + "\n")
        ended = int(children.stdout.readline())
        assert ended in ((0, 2) if code else (-9,)), (call, path)
        see_one_stored_run(server, folder, entry)


class PowerCutError(BaseException):
    pass


def _cut() -> None:
    raise PowerCutError


def cut_at(at: int, around: Path, act: Callable[[], Entry]) -> Platter:
    """Let the power go before a call; return what was on the disk by then."""
    platter = Platter(around)
    folder = around / "outbox"
    last: list[tuple[str, Path]] = []
    stop = failing_at(at, _cut)

    def settle_last() -> None:
        for name, path in last:
            if name == "fsync":
                platter.synchronised(path)
            elif name in ("mkdir", "open") and path not in there:
                platter.created(path)
        last.clear()

    there: set[Path] = set()

    def before(name: str, path: str) -> None:
        settle_last()
        stop(name, path)
        place = around if path == "around" else folder / path
        there.clear()
        there.update(around.rglob("*"), [around])
        last.append((name, place))

    with pytest.raises(PowerCutError), watched(folder, before):
        act()
    return platter


@pytest.mark.parametrize("names_kept", [False, True])
def test_the_power_goes_before_any_call_and_only_what_was_synchronised_is_left(
    tmp_path: Path,
    server: Collector,
    names_kept: bool,  # noqa: FBT001
) -> None:
    for at in range(len(CALLS)):
        entry = entry_of(server, f"power-{names_kept:d}-{at}")
        around = tmp_path / str(at)
        around.mkdir()
        platter = cut_at(at, around, lambda: upload(around / "outbox", entry, BUNDLE))  # noqa: B023
        after = tmp_path / f"{at}-after"
        restore(after, platter.left(names_kept=names_kept))
        begun = Outbox(after / "outbox").get(entry.run_id)
        if server.stored.get(entry.run_id) or any(
            said["run_id"] == entry.run_id for said, _, _ in server.uploads.values()
        ):
            assert begun is not None, "bytes left before the run was safe in the outbox"
        if begun is not None and begun.url:
            assert Outbox(after / "outbox").receipt(entry.run_id)
        see_one_stored_run(server, after / "outbox", entry)
