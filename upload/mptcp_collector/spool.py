"""Bundles on their way: one file each, whose length is the upload's offset.

The length is what a client is told after any crash.  What a crash may have done to the bytes
before it is found by the bundle's digest, which is compared when the last byte has come.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from mptcp_collector.block_file import BlockFile
from mptcp_collector.problem import ProblemError

_CHUNK_BYTES: Final = 1 << 20


class Part:
    """A file that one request is writing to; the file's lock goes with the process that holds it.

    A request that is cancelled closes it while a thread may still write: calls take turns, and
    what comes after `close` is refused, as the descriptor may be another file's by then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._file = BlockFile(path, mode=0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ProblemError("upload_busy") from None
        self.size_bytes = os.fstat(self._file.fileno()).st_size
        self._hash = hashlib.sha256() if self.size_bytes == 0 else None
        """Of all bytes, where all came through here; else the file is read again."""

    def write(self, octets: bytes | memoryview) -> None:
        """Add bytes at the end; after an error, what was written of them stays."""
        view = memoryview(octets)
        with self._turn:
            while view:
                # what is not hashed here is read again for its digest: let it stay in the cache
                past_cache = self._hash is not None
                count = self._file.write_at(view, self.size_bytes, past_cache=past_cache)
                self.size_bytes += count
                if self._hash is not None:
                    self._hash.update(view[:count])
                view = view[count:]

    def cut(self, size_bytes: int) -> None:
        """Forget what came after an offset."""
        with self._turn:
            os.ftruncate(self._file.fileno(), size_bytes)
            self.size_bytes = size_bytes
            self._hash = hashlib.sha256() if size_bytes == 0 else None

    def sha256(self) -> str:
        """Return the digest of what is there, hexadecimal."""
        with self._turn:
            if self._hash is not None:
                return self._hash.hexdigest()
        return sha256(self.path)

    def synchronise(self) -> None:
        """Write the bytes to the disk."""
        with self._turn:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let others write; again does nothing."""
        with self._turn:
            self._file.close()


class Spool:
    """The folder of bundles on their way.

    Args:
        folder: Made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks = folder.with_name("locks")
        self._scratch = folder.with_name("scratch")
        for one in (folder, self._locks, self._scratch):
            one.mkdir(parents=True, exist_ok=True, mode=0o750)

    def path(self, upload_id: str) -> Path:
        """Return an upload's file."""
        return self._folder / upload_id

    def size_bytes(self, upload_id: str) -> int:
        """Return how many bytes of an upload are here."""
        try:
            return self.path(upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    @contextlib.contextmanager
    def locked(self, upload_id: str) -> Iterator[Part]:
        """Give an upload's file to one at a time.

        Raises:
            ProblemError: ``upload_busy``.
        """
        part = Part(self.path(upload_id))
        try:
            yield part
        finally:
            part.close()

    @contextlib.contextmanager
    def storing(self, sha256: str) -> Iterator[None]:
        """Let nobody else on this computer store or remove the bundle of a digest.

        Between a bundle's storing and its run's, it belongs to no run: who removes what no run
        wants must not look then.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._locks / sha256[:2], flags, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[tuple[Path, BinaryIO]]:
        """Give a file for what is made here, on the same file system; it goes with the block."""
        with tempfile.NamedTemporaryFile(dir=self._scratch) as file:
            yield Path(file.name), cast("BinaryIO", file)

    def tidy_scratch(self, before_ns: int) -> None:
        """Remove what a crash left there before a time."""
        for path in self._scratch.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < before_ns:
                    path.unlink()

    def remove(self, upload_id: str) -> None:
        """Remove an upload's file."""
        self.path(upload_id).unlink(missing_ok=True)

    def ids(self) -> frozenset[str]:
        """Return the ids of all files."""
        return frozenset(path.name for path in self._folder.iterdir())

    def free_bytes(self) -> int:
        """Return the room on the disk for programs without privileges."""
        there = os.statvfs(self._folder)
        return there.f_bavail * there.f_frsize


def sha256(path: Path) -> str:
    """Return a file's digest, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
