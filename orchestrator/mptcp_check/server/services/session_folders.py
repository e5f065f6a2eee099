"""Two folders per session, named by its marker: what it may download, and what it uploaded.

``files/MARKER/down`` and ``files/MARKER/up`` are what the server programs show; in
``closed/MARKER`` is what only programs may write (`mptcp_guest.serving.sharing`).  Beside them
``accounts/MARKER.json`` remembers the session over a restart.  Uploads come through programs that
know no quotas, so the folders are looked at twice a second: one with too much takes no more.
"""

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mptcp_appliance import durable
from mptcp_check.new_folder import DISK_FULL
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import Account, FileDigest
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_guest.messages import Content
from mptcp_guest.serving import PROGRAMS
from mptcp_guest.serving.sharing import CLOSED, FILES, MARKER, Shared
from mptcp_guest.serving.shelf import Shelf

ACCOUNTS = "accounts"
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
        self._closed = state / CLOSED
        self._accounts = state / ACCOUNTS
        self._quota = quota
        self._free_bytes = free_bytes
        for folder in (self.files, self._closed, self._accounts):
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
            closed = self._closed / account.user
            for place in (folder, folder / DOWN, folder / UP, closed):
                place.mkdir(mode=_OPEN, exist_ok=True)
            document = json.dumps(asdict(account)).encode()
            durable.replace(self._accounts / f"{account.user}.json", document, mode=0o600)
        except OSError as e:
            self.close(account.user)
            raise _told(e) from None

    def accounts(self) -> list[Account]:
        """Return the accounts of all folders, as after a restart."""
        found = []
        for path in sorted(self._accounts.glob("*.json")):
            try:
                document: Any = json.loads(path.read_text())
                account = Account(**document)
                # one of a former version has none
                (self._closed / account.user).mkdir(mode=_OPEN, exist_ok=True)
                found.append(account)
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
        most_bytes = _shared(service).offer_bytes_max or quota.offer_bytes
        if size_bytes > min(most_bytes, quota.offer_bytes):
            raise ProblemError("quota-used", f"{min(most_bytes, quota.offer_bytes)} bytes at once")
        if used_bytes + size_bytes > quota.session_bytes:
            raise ProblemError("quota-used", f"{quota.session_bytes} bytes for a session")
        if used_count >= quota.session_files:
            raise ProblemError("quota-used", f"{quota.session_files} files for a session")
        if self._free_bytes(folder) - size_bytes < quota.disk_free_min_bytes:
            raise ProblemError("disk-full")
        shelf, place = self._shelf(service, marker)
        try:
            made = shelf.offer(place, _checked(name), content)
        except OSError as e:
            with suppress(OSError):
                shelf.discard(place, name)
            raise _told(e) from None
        return FileDigest(bytes=made["bytes"], sha256=made["sha256"])

    def received(self, marker: str, service: str, name: str) -> FileDigest | None:
        """Digest what was uploaded; in the open folder only a plain file counts as that.

        Raises:
            ProblemError: ``services-closed``.
        """
        folder = self._existing(marker)
        path = folder / UP / _checked(name)
        shelf, place = self._shelf(service, marker)
        if place == folder and (path.is_symlink() or not path.is_file()):
            return None
        try:
            found = shelf.received(place, name)
        except OSError as e:
            raise _told(e) from None
        return None if found is None else FileDigest(bytes=found["bytes"], sha256=found["sha256"])

    def discard(self, marker: str, service: str, name: str) -> None:
        """Remove what a service has under a name.

        Raises:
            ProblemError: ``services-closed``.
        """
        self._existing(marker)
        shelf, place = self._shelf(service, marker)
        with suppress(OSError):  # a folder of that name, which its user made
            shelf.discard(place, _checked(name))

    def close(self, marker: str) -> None:
        """Remove a session's folders and account, and what programs keep of it."""
        folder, closed = self._folder(marker), self._closed / marker
        for forget in {shared.forget for shared in SHARED.values() if shared.forget}:
            with suppress(OSError):  # of a program that does not run, and so keeps nothing
                forget(closed)
        for place in (folder, closed):
            _writable(place, yes=True)
            shutil.rmtree(place, ignore_errors=True)
        (self._accounts / f"{marker}.json").unlink(missing_ok=True)

    def restrain(self) -> list[str]:
        """Let sessions with too much upload no more, and those with room again; name the former."""
        full = self._free_bytes(self.files) < self._quota.disk_free_min_bytes
        restrained = []
        for folder in self.files.iterdir():
            used_bytes, used_count = self._use(folder.name)
            much = used_bytes > self._quota.session_bytes or used_count > self._quota.session_files
            _writable(folder / UP, yes=not (much or full))
            _writable(self._closed / folder.name, yes=not (much or full))
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

    def _shelf(self, service: str, marker: str) -> tuple[Shelf, Path]:
        """Return how a service hands out and takes in, and where."""
        shared = _shared(service)
        place = self._closed if shared.closed else self.files
        return shared.shelf or PROGRAMS[service].shelf, place / marker

    def _use(self, marker: str) -> tuple[int, int]:
        """Return how many bytes and files a session keeps, folders that it made included.

        Of the closed folder files only: its folders are those of the programs' formats.
        """
        total_bytes = count = 0
        for top, counts_folders in ((self.files / marker, True), (self._closed / marker, False)):
            for place, folders, names in os.walk(top):
                inside = counts_folders and place != os.fspath(top)
                count += len(names) + (len(folders) if inside else 0)
                for name in names:
                    with suppress(OSError):
                        total_bytes += (Path(place) / name).lstat().st_size
        return total_bytes, count


def _writable(top: Path, *, yes: bool) -> None:
    """Let files be made in a folder and below, or no more."""
    mode = _OPEN if yes else _CLOSED
    for place, _, _ in os.walk(top):
        with suppress(OSError):  # it was removed meanwhile
            if stat.S_IMODE(os.lstat(place).st_mode) != mode:
                Path(place).chmod(mode)


def _shared(service: str) -> Shared:
    if service not in SHARED:
        raise ProblemError("request-invalid", "there is no such service")
    return SHARED[service]


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ProblemError("request-invalid", "a name is a letter and up to 31 letters or digits")
    return name


def _told(error: OSError) -> ProblemError:
    return ProblemError("disk-full" if error.errno in DISK_FULL else "services-unavailable")
