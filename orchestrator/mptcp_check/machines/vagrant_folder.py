"""The folders of Vagrant's machines: private, locked as long as their run lives.

A machine of libvirt or VirtualBox outlives the program that started it.  Its folder is the only
thread that leads back to it, so it stays until the machine is gone: the next start finds folders
whose lock nobody holds, and has their machines destroyed (`vagrant.destroy_remains`).
"""

import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from mptcp_check.errors import MachineError, UsageError

_LOCK: Final = "lock"
_MACHINES: Final = "machines"


@contextmanager
def machine_folder(home: Path, name: str) -> Iterator[Path]:
    """Make a machine's folder and hold its lock; it is removed by `forget`, never here.

    Raises:
        UsageError: No machine can have this name.
        MachineError: A machine of this name is there already.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,50}", name):
        raise UsageError(
            f"no machine can be called {name!r}", hint="use small letters, digits and dashes"
        )
    folder = home / _MACHINES / name
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise _taken(name) from None
    lock = _take(folder)
    if lock is None:  # another start was looking for remains at this moment
        raise _taken(name)
    try:
        yield folder
    finally:
        lock.close()


def _taken(name: str) -> MachineError:
    return MachineError(
        f"a machine called {name} is there already",
        hint="wait for the other run to end, or take another name",
    )


def forget(folder: Path) -> None:
    """Remove the folder of a machine that is gone."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def remains(home: Path) -> Iterator[tuple[Path, ...]]:
    """Give the folders that no living run holds, locked meanwhile."""
    held: list[tuple[Path, IO[bytes]]] = []
    machines = home / _MACHINES
    try:
        for folder in sorted(machines.iterdir()) if machines.is_dir() else ():
            lock = _take(folder) if folder.is_dir() else None
            if lock is not None:
                held.append((folder, lock))
        yield tuple(folder for folder, _ in held)
    finally:
        for _, lock in held:
            lock.close()


def _take(folder: Path) -> IO[bytes] | None:
    file = (folder / _LOCK).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
