"""A file whose whole blocks go past the page cache (open(2), O_DIRECT) where that can be.

What is only received, and not read again soon, costs the cache a copy, memory, and later the
writing of all of it at once.  Which file systems can do without, and what they ask of the memory
that is written, only an attempt tells: what one refuses goes the usual way.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

BLOCK_BYTES: Final = 4096
"""Offset and length have to be multiples of the device's blocks; none in use has larger ones."""
_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)
"""Only Linux has it."""


class BlockFile:
    """An open file; its users see to it that one call at a time writes.

    Args:
        path: Made when it is not there.
        mode: Of a new one.
    """

    def __init__(self, path: Path, *, mode: int) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, mode)
        self._direct = False
        self._can = bool(_DIRECT)

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            OSError: EBADF: it was closed.
        """
        if self._descriptor < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._descriptor

    def write_at(self, octets: memoryview, offset: int, *, past_cache: bool) -> int:
        """Write bytes at an offset; return how many, as pwrite(2).

        Args:
            octets: What is written; whole blocks can go past the cache from a page's beginning.
            offset: Where.
            past_cache: Nobody reads them soon.
        """
        whole = not (offset % BLOCK_BYTES or len(octets) % BLOCK_BYTES)
        try:
            self._go(direct=past_cache and whole and self._can)
            return os.pwrite(self.fileno(), octets, offset)
        except OSError as e:
            if e.errno != errno.EINVAL or not self._can:
                raise
        self._can = False
        self._go(direct=False)
        return os.pwrite(self.fileno(), octets, offset)

    def close(self) -> None:
        """Close it; again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _go(self, *, direct: bool) -> None:
        if direct == self._direct:
            return
        flags = fcntl.fcntl(self.fileno(), fcntl.F_GETFL)
        wanted = flags | _DIRECT if direct else flags & ~_DIRECT
        fcntl.fcntl(self.fileno(), fcntl.F_SETFL, wanted)
        self._direct = direct
