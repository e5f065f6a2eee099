"""Being on somebody's machine: names that nobody else sees, and nothing left behind.

The orchestrator starts such an agent as process 1 of namespaces for processes and mounts
(``unshare --pid --mount --kill-child``).  What it starts ends with it, however it ends; the
names of its network namespaces stand in a ``/run/netns`` of its own and go with it.  What it
changed outside is put back by itself, or after a kill by the next agent on that machine.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mptcp_guest.undo import FILE, Undo, remove_remains, take

NAMES = Path("/run/netns")
ARCHIVE_FOLDER = "mptcp-check-"
"""How the folder begins that holds the pushed agent and nothing else."""


@contextmanager
def visit(work_directory: Path) -> Iterator[Undo]:
    """Put back what killed agents left, hold the work directory, and remove it at the end."""
    if os.getpid() != 1:  # the mount below would hide the machine's own names from everybody
        raise SystemExit("--visits: start it by unshare --pid --mount --fork")
    lock = settle_in(work_directory)
    NAMES.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "mptcp-check", str(NAMES)]
    subprocess.run(mount, check=True, timeout=10)  # noqa: S603 - a fixed list
    try:
        yield Undo(work_directory / FILE)
    finally:
        shutil.rmtree(work_directory, ignore_errors=True)
        lock.close()
        _remove_archive(Path(sys.argv[0]))


def settle_in(work_directory: Path) -> IO[bytes]:
    """Make and lock a work directory, and put back what killed agents left beside it.

    Raises:
        SystemExit: Another agent has that directory.
    """
    parent = work_directory.parent
    parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    everybody = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # one at a time: a directory that was just made and not yet locked is nobody's remains
        fcntl.flock(everybody, fcntl.LOCK_EX)
        work_directory.mkdir(mode=0o755, exist_ok=True)
        lock = take(work_directory)
        if lock is None:
            raise SystemExit(f"{work_directory} belongs to another agent")
        remove_remains(parent)
        return lock
    finally:
        os.close(everybody)


def _remove_archive(archive: Path) -> None:
    folder = archive.parent
    if folder.name.startswith(ARCHIVE_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
