"""A folder per session, named by its marker: what it may download, and what it uploaded.

``files/MARKER/down`` and ``files/MARKER/up`` are what the server programs see; beside them
``accounts/MARKER.json`` remembers the session over a restart.  Uploads come through programs that
know no quotas, so the folders are looked at every second: one with too much takes no more.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mptcp_check.new_folder import DISK_FULL
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import Account, FileDigest
from mptcp_guest.messages import Content
from mptcp_guest.serving import PROGRAMS
from mptcp_guest.serving.sharing import MARKER, SHARED
from mptcp_guest.serving.shelf import Shelf

FILES, ACCOUNTS = "files", "accounts"
DOWN, UP = "down", "up"
NAME: Final = re.compile(r"[a-z][a-z0-9]{0,31}")
_OPEN, _CLOSED = 0o700, 0o500


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one session may keep."""

    offer_bytes: int
    """Of one file."""
    session_bytes: int
    session_files: int
    disk_free_min_bytes: int
    """With less free disk nobody may keep anything more."""


class SessionFolders:
    """All sessions' folders.

    Args:
        state: Where they are.
        quota: What each may keep.
        free_bytes: Says how much room a folder's disk has.
    """

    def __init__(self, state: Path, quota: Quota, *, free_bytes: Callable[[Path], int]) -> None:
        self.files = state / FILES
        self._accounts = state / ACCOUNTS
        self._quota = quota
        self._free_bytes = free_bytes
        for folder in (self.files, self._accounts):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)

    def open(self, account: Account) -> None:
        """Make a session's folder.

        Raises:
            ProblemError: ``disk-full``.
        """
        if self._free_bytes(self.files) < self._quota.disk_free_min_bytes:
            raise ProblemError("disk-full")
        folder = self._folder(account.user)
        try:
            for place in (folder, folder / DOWN, folder / UP):
                place.mkdir(mode=_OPEN, exist_ok=True)
            _write_whole(self._accounts / f"{account.user}.json", json.dumps(asdict(account)))
        except OSError as e:
            self.close(account.user)
            raise _told(e) from None

    def accounts(self) -> list[Account]:
        """Return the accounts of all folders, as after a restart."""
        found = []
        for path in sorted(self._accounts.glob("*.json")):
            try:
                document: Any = json.loads(path.read_text())
                found.append(Account(**document))
            except (OSError, ValueError, TypeError):
                path.unlink(missing_ok=True)  # not written whole: it never came to be
        return found

    def offer(self, marker: str, service: str, name: str, content: Content) -> FileDigest:
        """Make a content ready to be fetched from a service.

        Raises:
            ProblemError: ``quota-used``, ``disk-full``, or ``services-closed``.
        """
        folder, size_bytes = self._existing(marker), content["bytes"]
        used_bytes, used_count = self._use(marker)
        quota = self._quota
        if size_bytes > quota.offer_bytes or used_bytes + size_bytes > quota.session_bytes:
            raise ProblemError("quota-used", f"{quota.session_bytes} bytes for a session")
        if used_count >= quota.session_files:
            raise ProblemError("quota-used", f"{quota.session_files} files for a session")
        if self._free_bytes(folder) - size_bytes < quota.disk_free_min_bytes:
            raise ProblemError("disk-full")
        shelf = _shelf(service)
        try:
            made = shelf.offer(folder, _checked(name), content)
        except OSError as e:
            with suppress(OSError):
                shelf.discard(folder, name)
            raise _told(e) from None
        return FileDigest(bytes=made["bytes"], sha256=made["sha256"])

    def received(self, marker: str, service: str, name: str) -> FileDigest | None:
        """Digest what was uploaded; only a plain file counts as that.

        Raises:
            ProblemError: ``services-closed``.
        """
        folder = self._existing(marker)
        path = folder / UP / _checked(name)
        if path.is_symlink() or not path.is_file():
            return None
        found = _shelf(service).received(folder, name)
        return None if found is None else FileDigest(bytes=found["bytes"], sha256=found["sha256"])

    def discard(self, marker: str, service: str, name: str) -> None:
        """Remove what a service has under a name.

        Raises:
            ProblemError: ``services-closed``.
        """
        folder = self._existing(marker)
        with suppress(OSError):  # a folder of that name, which its user made
            _shelf(service).discard(folder, _checked(name))

    def close(self, marker: str) -> None:
        """Remove a session's folder and account."""
        folder = self._folder(marker)
        with suppress(OSError):
            (folder / UP).chmod(_OPEN)
        shutil.rmtree(folder, ignore_errors=True)
        (self._accounts / f"{marker}.json").unlink(missing_ok=True)

    def restrain(self) -> list[str]:
        """Let sessions with too much upload no more, and those with room again; name the former."""
        full = self._free_bytes(self.files) < self._quota.disk_free_min_bytes
        restrained = []
        for folder in self.files.iterdir():
            used_bytes, used_count = self._use(folder.name)
            much = used_bytes > self._quota.session_bytes or used_count > self._quota.session_files
            with suppress(OSError):  # it was closed meanwhile
                (folder / UP).chmod(_CLOSED if much or full else _OPEN)
            if much:
                restrained.append(folder.name)
        return restrained

    def _folder(self, marker: str) -> Path:
        if not re.fullmatch(MARKER, marker):
            raise ProblemError("session-unknown")
        return self.files / marker

    def _existing(self, marker: str) -> Path:
        folder = self._folder(marker)
        if not folder.is_dir():
            raise ProblemError("services-closed")
        return folder

    def _use(self, marker: str) -> tuple[int, int]:
        """Return how many bytes and files a session keeps, folders that it made included."""
        total_bytes = count = 0
        for place, folders, names in os.walk(self.files / marker):
            inside = place != os.fspath(self.files / marker)
            count += len(names) + (len(folders) if inside else 0)
            for name in names:
                with suppress(OSError):
                    total_bytes += (Path(place) / name).lstat().st_size
        return total_bytes, count


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ProblemError("request-invalid", "a name is a letter and up to 31 letters or digits")
    return name


def _shelf(service: str) -> Shelf:
    if service not in SHARED:
        raise ProblemError("request-invalid", "there is no such service")
    return PROGRAMS[service].shelf


def _told(error: OSError) -> ProblemError:
    return ProblemError("disk-full" if error.errno in DISK_FULL else "services-unavailable")


def _write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)
