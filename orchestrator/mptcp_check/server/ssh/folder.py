"""A session's folder as sftp sees it: two places, plain names, nothing but plain files.

Whatever a path says, what is opened is a name in ``down`` (to read) or in ``up`` (to write):
nothing leads elsewhere, since nothing of a path is followed.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface
from paramiko.sftp import SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_OP_UNSUPPORTED, SFTP_PERMISSION_DENIED

from mptcp_guest.naming import is_name
from mptcp_guest.servers.places import handed_out, taken

if TYPE_CHECKING:
    from typing_extensions import Buffer

PLACES: Final = ("down", "up")
MOST_READ_BYTES: Final = 1024 * 1024
"""Of one question."""
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

    def __init__(self, server: paramiko.ServerInterface, *, files: Path, most_bytes: int) -> None:
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
        return _Handle(file, self._most_bytes, writes=writes)

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

    def __init__(self, file: BinaryIO, most_bytes: int, *, writes: bool) -> None:
        super().__init__()
        self._file = file
        self._most_bytes = most_bytes
        self._writes = writes

    def close(self) -> None:
        self._file.close()

    def read(self, offset: int, length: int) -> "bytes | int":
        if self._writes:
            return SFTP_PERMISSION_DENIED
        return os.pread(self._file.fileno(), min(length, MOST_READ_BYTES), offset)

    def write(self, offset: int, data: "Buffer") -> int:
        octets = bytes(data)
        if not self._writes or offset + len(octets) > self._most_bytes:
            return SFTP_PERMISSION_DENIED
        try:
            os.pwrite(self._file.fileno(), octets, offset)
        except OSError as error:
            return SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def stat(self) -> "SFTPAttributes | int":
        return _attributes(stat.S_IFREG | 0o600, os.fstat(self._file.fileno()).st_size)

    def chattr(self, attr: SFTPAttributes) -> int:
        # scp cuts a file to the length that it has written
        size = attr.st_size
        if size is not None and size > os.fstat(self._file.fileno()).st_size:
            return SFTP_OP_UNSUPPORTED
        return SFTP_OK


def _attributes(mode: int, size_bytes: int) -> SFTPAttributes:
    made = SFTPAttributes()
    made.st_mode, made.st_size = mode, size_bytes
    made.st_uid = made.st_gid = 0
    made.st_atime = made.st_mtime = 0
    return made
