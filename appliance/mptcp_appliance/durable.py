"""Files and folders that are there whole or not at all, also after a power cut."""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_LOOK_AGAIN_S = 0.5


LOCK = ".lock"
"""Name of the lock of a folder."""


def replace(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file in place of the one that may be there.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    replace_all({path: content}, mode=mode)


def replace_all(contents: Mapping[Path, bytes], *, mode: int) -> None:
    """Write files that belong together: all are on the disk before the first gets its name.

    Args:
        contents: By path; they get their names in this order.
        mode: Who may read them.

    Raises:
        OSError: One cannot be written; what was there before is still there.
    """
    ready: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            ready[path] = Path(name)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
        for path, made in ready.items():
            made.replace(path)
    finally:
        for made in ready.values():
            made.unlink(missing_ok=True)


def settle(directory: Path) -> None:
    """Write a folder and its files to the disk.

    Raises:
        OSError: That failed.
    """
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def alone(lock: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold a lock, and give its descriptor.

    The system gives it back when the last process that has the descriptor ends, however it does:
    this one, or one that it has lent it to.

    Args:
        lock: An empty file, made if it is not there. It stays: who removed it could not know
            who waits for it. (A folder's own lock would do without, but not over NFS.)
        waiting: Called now and then while somebody else holds it.

    Raises:
        OSError: The file cannot be made.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not _taken(descriptor):
            waiting()
            time.sleep(_LOOK_AGAIN_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
