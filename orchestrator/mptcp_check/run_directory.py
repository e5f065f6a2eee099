"""Runs on this computer: where they live, how one becomes whole, and the list of them."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mptcp_check.errors import UsageError
from mptcp_upload import durable, manifest

PARTIAL = ".partial"
"""Suffix of a run that is being made; a name without it is a whole run."""

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
"""Base 32 without letters that look like digits (the ULID alphabet, in lower case)."""


def new_id(*, wall_ns: int, random_bytes: bytes) -> str:
    """Return a ULID: 48 bits of milliseconds, 80 random bits, so that names sort by time.

    Args:
        wall_ns: Time of day.
        random_bytes: Ten random bytes.
    """
    number = (wall_ns // 1_000_000) << 80 | int.from_bytes(random_bytes[:10])
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


@contextmanager
def being_made(final: Path) -> Iterator[Path]:
    """Give a folder to fill; it gets its final name when all went well, and vanishes otherwise.

    Raises:
        UsageError: Something has the final name already, or the folder cannot be made.
    """
    if final.exists():
        raise UsageError(f"{final} exists already", hint="choose another --out, or remove it")
    partial = final.with_name(final.name + PARTIAL)
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(
            f"{partial.parent} cannot be made: {e.strerror}", hint="choose another --out"
        ) from None
    try:
        partial.mkdir(mode=0o700)
    except FileExistsError:
        raise UsageError(
            f"{partial} exists: another run is writing to {final}, or one was killed",
            hint="wait for it, choose another --out, or remove it",
        ) from None
    except OSError as e:
        raise UsageError(
            f"{final} cannot be made: {e.strerror}", hint="choose another --out"
        ) from None
    try:
        yield partial
        _settle(durable.settle_tree, partial)
        _rename(partial, final)
        _settle(durable.settle, final.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _settle(settle: Callable[[Path], None], path: Path) -> None:
    """See that a run that is said to be whole is whole after a power cut too.

    Raises:
        OSError: There is no room for it after all.
    """
    try:
        settle(path)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        # what can be read is worth more than nothing, and the manifest tells the rest


def _rename(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError as e:
        raise UsageError(
            f"{final} was made by somebody else meanwhile: {e.strerror}", hint="use another --out"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One whole run on this computer."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def run_id(self) -> str:
        """Its identifier."""
        return str(self.manifest.get("run_id", self.directory.name))

    def document(self) -> dict[str, Any]:
        """Return the run's `mptcp-check.run/1` document.

        Raises:
            UsageError: It is gone or damaged.
        """
        path = self.directory / "report.json"
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as e:
            raise UsageError(f"{path} cannot be read: {e}", hint="the run is damaged") from None
        if not isinstance(document, dict):
            raise UsageError(f"{path} is not a report", hint="the run is damaged")
        return document


def stored(directory: Path) -> list[StoredRun]:
    """Return the whole runs below ``directory``, oldest first; unfinished ones are left out."""
    runs = []
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        if path.suffix == PARTIAL or not path.is_dir():
            continue
        try:
            runs.append(StoredRun(directory=path, manifest=manifest.read(path)))
        except manifest.ManifestError:
            continue  # not a run, or one that never became whole
    return runs


def find(name: str, directory: Path) -> StoredRun:
    """Return the run that ``name`` means: ``last``, the start of its identifier, or its folder.

    Raises:
        UsageError: None or several are meant.
    """
    if os.sep in name or (Path(name) / manifest.NAME).is_file():
        try:
            return StoredRun(directory=Path(name), manifest=manifest.read(Path(name)))
        except manifest.ManifestError as e:
            raise UsageError(e.message, hint=e.hint) from None
    runs = stored(directory)
    meant = runs[-1:] if name == "last" else [r for r in runs if r.run_id.startswith(name.lower())]
    if not meant:
        raise UsageError(
            f"there is no run '{name}'", hint="`mptcp-check runs list` shows what is there"
        )
    if len(meant) > 1:
        names = ", ".join(r.run_id for r in meant[:5])
        raise UsageError(f"'{name}' means {len(meant)} runs: {names}", hint="give more of the name")
    return meant[0]
