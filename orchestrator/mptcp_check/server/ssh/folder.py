"""A session's folder as sftp sees it: two places, plain names, nothing but plain files.

Whatever a path says, what is opened is a name in ``down`` (to read) or in ``up`` (to write):
nothing leads elsewhere, since nothing of a path is followed.
"""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface
from paramiko.sftp import SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_OP_UNSUPPORTED, SFTP_PERMISSION_DENIED

from mptcp_guest.naming import is_name
from mptcp_guest.servers.places import handed_out, taken

PLACES: Final = ("down", "up")
_FOLDERS: Final = frozenset({"/", *(f"/{place}" for place in PLACES)})


@dataclass(frozen=True, slots=True)
class Spot:
    """A file that a session may name."""

    way: str
    name: str


def spot(path: str) -> Spot | None:
    """Return what a path means: ``down/NAME`` or ``up/NAME``, whatever stands before; PURE."""
    words = [word for word in re.split("/+", path) if word not in {"", "."}]
    if len(words) == 2 and words[0] in PLACES and is_name(words[1]):  # noqa: PLR2004 - both of them
        return Spot(words[0], words[1])
    return None


class Folder(SFTPServerInterface):
    """Answers sftp; every operation that is not here is refused by the base class.

    Args:
        server: Required by paramiko; who may come in was decided before.
        files: The session's folder.
        most_bytes: Of one file.
    """

    def __init__(
        self, server: paramiko.ServerInterface, *, files: Path, most_bytes: int
    ) -> None:
        super().__init__(server)
        self._files = files
        self._most_bytes = most_bytes

    def canonicalize(self, path: str) -> str:
        """Return a path as it stands in `_FOLDERS`."""
        words = [word for word in re.split("/+", path) if word not in {"", ".", ".."}]
        return "/" + "/".join(words)

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> "SFTPHandle | int":
        """Open a file of ``down`` to read, or of ``up`` to write."""
        del attr
        found = spot(path)
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        if found is None or writes != (found.way == "up"):
            return SFTP_PERMISSION_DENIED
        place = self._files / found.way / found.name
        try:
            file = taken(place) if writes else handed_out(place)
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        handle = _Handle(self._most_bytes)
        if writes:
            handle.writefile = file
        else:
            handle.readfile = file
        return handle

    def stat(self, path: str) -> "SFTPAttributes | int":
        """Tell a file's size; of folders that there are two."""
        return self.lstat(path)

    def lstat(self, path: str) -> "SFTPAttributes | int":
        """See `stat`: no link is followed."""
        found = spot(path)
        if found is None:
            here = self.canonicalize(path) in _FOLDERS
            return _attributes(stat.S_IFDIR | 0o500, 0) if here else SFTP_NO_SUCH_FILE
        try:
            about = (self._files / found.way / found.name).lstat()
        except OSError:
            return SFTP_NO_SUCH_FILE
        if not stat.S_ISREG(about.st_mode):
            return SFTP_NO_SUCH_FILE
        return _attributes(stat.S_IFREG | 0o600, about.st_size)

    def chattr(self, path: str, attr: SFTPAttributes) -> int:
        """Take times and rights, and change nothing: clients ask for that after an upload."""
        del attr
        return SFTP_OK if spot(path) else SFTP_PERMISSION_DENIED


class _Handle(SFTPHandle):
    """An open file with a cap."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most_bytes = most_bytes

    def write(self, offset: int, data: bytes) -> int:
        if offset + len(data) > self._most_bytes:
            return SFTP_PERMISSION_DENIED
        return super().write(offset, data)

    def stat(self) -> "SFTPAttributes | int":
        file = self.writefile if hasattr(self, "writefile") else self.readfile
        return _attributes(stat.S_IFREG | 0o600, os.fstat(file.fileno()).st_size)

    def chattr(self, attr: SFTPAttributes) -> int:
        size = attr.st_size
        return SFTP_OK if size is None else SFTP_OP_UNSUPPORTED


def _attributes(mode: int, size_bytes: int) -> SFTPAttributes:
    made = SFTPAttributes()
    made.st_mode, made.st_size = mode, size_bytes
    made.st_uid = made.st_gid = 0
    made.st_atime = made.st_mtime = 0
    return made


Opened = Callable[[str], Path | None]
"""Says where a session's folder is, by the name that it logs in with."""
