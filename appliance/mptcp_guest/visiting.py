"""Being on somebody's machine: names that nobody else sees, and nothing left behind.

The orchestrator starts such an agent as process 1 of namespaces for processes and mounts
(``unshare --pid --mount --kill-child``).  What it starts ends with it, however it ends; the
names of its network namespaces stand in a ``/run/netns`` of its own and go with it.  What it
changed outside is put back by itself, or after a kill by the next agent on that machine.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mptcp_guest.undo import FILE, Undo, remove_remains, take

NAMES = Path("/run/netns")
ARCHIVE_FOLDER = "mptcp-check-"
"""How the folder begins that holds the pushed agent and nothing else."""


@contextmanager
def visit(work_directory: Path) -> Iterator[Undo]:
    """Put back what killed agents left, hold the work directory, and remove it at the end."""
    if os.getpid() != 1:  # the mount below would hide the machine's own names from everybody
        raise SystemExit("--visits: start it by unshare --pid --mount --fork")
    remove_remains(work_directory.parent)
    NAMES.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "mptcp-check", str(NAMES)]
    subprocess.run(mount, check=True, timeout=10)  # noqa: S603 - a fixed list
    lock = take(work_directory)
    try:
        yield Undo(work_directory / FILE)
    finally:
        shutil.rmtree(work_directory, ignore_errors=True)
        if lock is not None:
            lock.close()
        with suppress(OSError):  # the last one takes the folder of all of them along
            work_directory.parent.rmdir()
        _remove_archive(Path(sys.argv[0]))


def _remove_archive(archive: Path) -> None:
    folder = archive.parent
    if folder.name.startswith(ARCHIVE_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
