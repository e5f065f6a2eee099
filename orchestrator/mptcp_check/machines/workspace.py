"""The folder of sockets, keys and pid files of one run: private, short-named, gone afterwards.

A run holds a lock on its folder as long as it lives.  A folder whose lock can be taken belongs
to a run that crashed: what it left (processes, files) is removed by the next start.  Locks work
where pids mislead: they end with the process, whatever killed it, and are never used again.
"""

import fcntl
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mptcp_check.errors import PreflightError
from mptcp_check.machines import process
from mptcp_check.machines.bridging import remains as networks

ROOT = Path("/tmp")  # noqa: S108 - short on purpose: a unix socket's path has 104 bytes on macOS
LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What a crashed run left behind, and what was done about it."""

    directory: Path
    killed_pids: tuple[int, ...]


def base(root: Path = ROOT) -> Path:
    """Return the parent of all work folders of this user, made on first use.

    Raises:
        PreflightError: Somebody else owns a folder of that name.
    """
    path = root / f"mptcp-check-{os.getuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PreflightError(
            f"{path} exists and does not belong to you", hint="have it removed, then start again"
        )
    path.chmod(0o700)
    return path


@contextmanager
def workspace(name: str, *, root: Path = ROOT) -> Iterator[Path]:
    """Make the work folder of a run, hold its lock, and remove it at the end, whatever happened."""
    parent = base(root)
    with _locked(parent / LOCK):
        directory = parent / name
        directory.mkdir(mode=0o700)
        lock = _take(directory / LOCK)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if lock is not None:
            lock.close()


def remains(*, root: Path = ROOT) -> tuple[Path, ...]:
    """Return the folders of runs that crashed; nothing is changed."""
    with _locked(base(root) / LOCK):
        return tuple(_dead(root))


def remove_remains(*, root: Path = ROOT) -> tuple[Remains, ...]:
    """End what crashed runs left running, part it from networks, remove it, and say so."""
    removed = []
    with _locked(base(root) / LOCK):
        for directory in _dead(root):
            killed = tuple(pid for pid in _pids(directory) if _kill(pid, directory))
            networks.undo(directory)
            shutil.rmtree(directory, ignore_errors=True)
            removed.append(Remains(directory=directory, killed_pids=killed))
    return tuple(removed)


def _dead(root: Path) -> Iterator[Path]:
    for directory in sorted(base(root).iterdir()):
        if directory.is_dir():
            lock = _take(directory / LOCK)
            if lock is not None:
                lock.close()
                yield directory


def _pids(directory: Path) -> Iterator[int]:
    for file in sorted(directory.glob("*.pid")):
        with suppress(OSError, ValueError):
            yield int(file.read_text())


def _kill(pid: int, directory: Path) -> bool:
    # A pid may have been given to another process since: only one that names the folder is ours.
    said = process.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], timeout_s=5)
    if str(directory).encode() not in said.stdout:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _take(path: Path) -> IO[bytes] | None:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
