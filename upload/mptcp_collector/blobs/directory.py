"""Bundles in a folder: ``ab/cdef…``, each linked into place when it is whole on the disk."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_REST: Final = re.compile("[0-9a-f]{62}", re.ASCII)
_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK})
"""The place is on another file system than the file, or knows no links."""


class DirectoryBlobs:
    """A `BlobStore` in a folder.

    Args:
        folder: Made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def put(self, sha256: str, file: Path) -> None:
        """Keep a file's bytes: the name appears in one step, and is on the disk on return."""
        path = self._path(sha256)
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True, mode=0o750)
            synchronise_folder(self._folder)
        try:
            os.link(file, path)
        except FileExistsError:
            pass  # only whole files are ever linked; the folder may not be on the disk yet
        except OSError as e:
            if e.errno not in _NO_LINKS:
                raise
            _copy(file, path)
        synchronise_folder(path.parent)

    def open(self, sha256: str) -> BinaryIO:
        """Return the bytes."""
        return self._path(sha256).open("rb")

    def has(self, sha256: str) -> bool:
        """Say whether the bytes are here."""
        return self._path(sha256).exists()

    def remove(self, sha256: str) -> None:
        """Remove the bytes, on the disk too."""
        path = self._path(sha256)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            synchronise_folder(path.parent)

    def digests(self) -> Iterator[str]:
        """Return the names of all whole files."""
        for folder in self._folder.iterdir():
            for path in folder.iterdir():
                if _REST.fullmatch(path.name):
                    yield folder.name + path.name

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:]


def _copy(file: Path, path: Path) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with file.open("rb") as source, new.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def synchronise_folder(folder: Path) -> None:
    """Write a folder's names to the disk: a new name is not there before (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
