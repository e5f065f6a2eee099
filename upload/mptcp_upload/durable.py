"""Files that are there whole or as they were, also after a power cut.

The steps are methods of `Disk` so that tests can stop the world after any of them.
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOTSUP})
"""Of fsync(2) on a folder: shared folders of virtual machines, some of FUSE."""


class Disk:
    """The system calls that an outbox is made of."""

    def write(self, path: Path, octets: bytes) -> None:
        """Write a new file and see it on the disk; readable by its owner only."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(octets)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder its name."""
        os.replace(source, target)  # noqa: PTH105 - one system call, the one that tests stop at

    def settle(self, folder: Path) -> None:
        """See the names in a folder on the disk, on file systems that can do that."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as e:
            if e.errno not in _UNSUPPORTED:
                raise
        finally:
            os.close(descriptor)

    def make(self, folder: Path) -> None:
        """Make a folder for its owner only, and those around it, and see their names on the disk.

        Does nothing where it is; what was made by somebody who was killed is seen to as well.
        """
        if not folder.parent.is_dir():
            self.make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        self.settle(folder.parent)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink(missing_ok=True)


DISK = Disk()


def replace(path: Path, octets: bytes, disk: Disk = DISK) -> None:
    """Write a file in place of the one that may be there.

    Raises:
        OSError: It cannot be written; what was there before still is.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        disk.write(new, octets)
        disk.rename(new, path)
        disk.settle(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def settle_tree(folder: Path) -> None:
    """See everything below a folder on the disk: bytes and names.

    Raises:
        OSError: The disk failed.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(place, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        settle(Path(place))


def settle(folder: Path) -> None:
    """See the names in a folder on the disk."""
    DISK.settle(folder)
