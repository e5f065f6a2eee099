"""Runs on their way out, one folder each, outside the runs' own; every state survives a power cut.

`RUN_ID/bundle.tar` is written before the folder has its name and never changes. `state.json` and
`receipt.json` are replaced whole. The receipt is on the disk before the state says so; what was
begun and not finished has a name that begins with a dot and is no entry.
"""

import base64
import contextlib
import dataclasses
import enum
import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mptcp_upload import archive, durable
from mptcp_upload.durable import DISK, Disk
from mptcp_upload.errors import UploadError

SCHEMA: Final = "mptcp-check.outbox/1"
BUNDLE: Final = "bundle.tar"
STATE: Final = "state.json"
RECEIPT: Final = "receipt.json"
_LOCK: Final = ".lock"


class State(enum.StrEnum):
    """Where a run is on its way."""

    PENDING = "pending"
    """Waits for the network, or is being sent."""
    RECEIVED = "received"
    """There is a verified receipt."""
    REFUSED = "refused"
    """The collector does not want it; sending it again would not help."""
    DELETED = "deleted"
    """Received, and deleted there at the owner's wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run in the outbox."""

    run_id: str
    bundle_sha256: str
    size_bytes: int
    collector: str
    """URL."""
    collector_key: str
    """Pinned when the run was put in."""
    deletion_token: str
    state: State = State.PENDING
    location: str = ""
    """Of the upload that was begun; empty if none was."""
    attempt_count: int = 0
    reason: str = ""
    """Why it is not there yet, or was refused."""
    hint: str = ""
    """What to do about the reason, where somebody can."""
    url: str = ""
    """Where to see it: only with a verified receipt."""
    expanded_bytes: int = 0
    """What the bundle's members expand to together; 0 where nobody counted."""
    ticket: str = ""
    """The measurement server's ticket for this run; empty for none, or one that is not taken."""

    @property
    def deletion_sha256(self) -> str:
        """What the collector gets to know of the deletion token."""
        return hashlib.sha256(self.deletion_token.encode()).hexdigest()


def deletion_token(key: bytes, run_id: str, bundle_sha256: str) -> str:
    """Return the token of a bundle: whoever forgets it and sends the bundle again has it again.

    Args:
        key: A secret that stays here.
        run_id: Of the run.
        bundle_sha256: Of its bundle.
    """
    made = hmac.digest(key, f"deletion {run_id} {bundle_sha256}".encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


class Outbox:
    """All runs on their way.

    Args:
        folder: Where they are kept; made when needed.
        disk: The system calls.
    """

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self._folder = folder
        self._disk = disk

    def put(self, entry: Entry, bundle: bytes) -> Entry:
        """Put a run in; the same bundle again is the entry that is there.

        Raises:
            UploadError: Another bundle of this run is there.
            OSError: It cannot be written; then it is not there, or nobody knows yet whether a
                power cut would leave it: the same bundle again is right in both cases.
        """
        self._disk.make(self._folder)
        here = self.get(entry.run_id)
        if here is not None:
            if here.bundle_sha256 != entry.bundle_sha256 or here.collector != entry.collector:
                raise UploadError(
                    f"run {entry.run_id} is in the outbox already, as another bundle or for"
                    f" another collector ({here.state})",
                    hint=f"`mptcp-check upload --forget {entry.run_id}` takes the other one out",
                )
            return here
        new = self._folder / f".{entry.run_id}.{os.getpid()}.new"
        try:
            new.mkdir(mode=0o700, exist_ok=True)
            self._disk.write(new / BUNDLE, bundle)
            self._disk.write(new / STATE, _document(entry))
            self._disk.settle(new)
            self._disk.rename(new, self._place(entry.run_id))
        except OSError:
            with contextlib.suppress(OSError):
                self._remove(new)
            raise
        self._disk.settle(self._folder)
        return entry

    def get(self, run_id: str) -> Entry | None:
        """Return the entry of a run; none if there is none.

        Raises:
            UploadError: Its state cannot be read.
        """
        path = self._place(run_id) / STATE
        try:
            document = json.loads(path.read_bytes())
            if document.pop("schema") != SCHEMA:
                raise ValueError("schema")  # noqa: TRY301 - one place for what is no state
            return Entry(**{**document, "state": State(document["state"])})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            raise UploadError(f"{path} cannot be read: {type(e).__name__} {e}") from None

    def entries(self) -> list[Entry]:
        """Return all entries that can be read, oldest run first; see `damaged` for the others."""
        found = []
        for name in self._names():
            with contextlib.suppress(UploadError):
                entry = self.get(name)
                found += [] if entry is None else [entry]
        return found

    def damaged(self) -> dict[str, str]:
        """Say of entries that cannot be read why, by run."""
        said = {}
        for name in self._names():
            try:
                self.get(name)
            except UploadError as e:
                said[name] = e.message
        return said

    def _names(self) -> list[str]:
        names = sorted(p.name for p in self._folder.iterdir()) if self._folder.is_dir() else []
        return [name for name in names if archive.is_name(name)]

    def bundle(self, entry: Entry) -> bytes:
        """Return the bundle's bytes.

        Raises:
            UploadError: They are not those that were put in.
        """
        path = self._place(entry.run_id) / BUNDLE
        try:
            octets = path.read_bytes()
        except OSError as e:
            raise UploadError(f"{path} cannot be read: {e.strerror}") from None
        if hashlib.sha256(octets).hexdigest() != entry.bundle_sha256:
            raise UploadError(
                f"{path} was changed on the disk",
                hint=f"`mptcp-check upload --forget {entry.run_id}`, then upload the run again",
            )
        return octets

    def receipt(self, run_id: str) -> bytes | None:
        """Return the stored receipt of a run; none if it has none."""
        try:
            return (self._place(run_id) / RECEIPT).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def keep(self, changed: Entry) -> Entry:
        """Keep an entry in place of its former state, and return it.

        Raises:
            OSError: It cannot be written; the former state holds.
        """
        durable.replace(self._place(changed.run_id) / STATE, _document(changed), self._disk)
        return changed

    def received(self, entry: Entry, receipt: bytes, url: str) -> Entry:
        """Keep a verified receipt, then say so.

        Raises:
            OSError: As `keep`.
        """
        durable.replace(self._place(entry.run_id) / RECEIPT, receipt, self._disk)
        return self.keep(
            replace(entry, state=State.RECEIVED, url=url, reason="", hint="", location="")
        )

    def forget(self, run_id: str) -> bool:
        """Take a run out, with its receipt and deletion token; say whether it was there."""
        place = self._place(run_id)
        gone = self._folder / f".{run_id}.{os.getpid()}.gone"
        try:
            self._disk.rename(place, gone)
        except FileNotFoundError:
            return False
        self._disk.settle(self._folder)
        self._remove(gone)
        return True

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold the outbox while sending; gives False if somebody else does already."""
        self._disk.make(self._folder)
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            self._sweep()
            yield True
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what killed processes left half-made, beside the entries and in them."""
        for path in (*self._folder.glob(".*.new"), *self._folder.glob(".*.gone")):
            if path.is_dir() and not _is_alive(path.name.split(".")[-2]):
                self._remove(path)
        for path in self._folder.glob("*/.*.new"):
            if not _is_alive(path.name.split(".")[-2]):
                self._disk.unlink(path)

    def _remove(self, folder: Path) -> None:
        for path in folder.iterdir():
            self._disk.unlink(path)
        folder.rmdir()

    def _place(self, run_id: str) -> Path:
        if not archive.is_name(run_id) or "/" in run_id:
            raise UploadError(f"{run_id!r} is not the identifier of a run")
        return self._folder / run_id


def _document(entry: Entry) -> bytes:
    return (json.dumps({"schema": SCHEMA, **dataclasses.asdict(entry)}, indent=1) + "\n").encode()


def _is_alive(process_id: str) -> bool:
    """Say whether the process that makes or removes something may still be at it."""
    if not process_id.isdecimal() or int(process_id) == os.getpid():
        return False
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
