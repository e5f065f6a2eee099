"""Undo what a crashed run left attached, when its steward did not live to do it."""

import contextlib
import json
from pathlib import Path

from mptcp_check.machines.bridging import steward


def journal(directory: Path, name: str) -> Path:
    """Return where a steward keeps its undoings: in a run's work folder, while it lives."""
    return directory / f"{name}{SUFFIX}"


SUFFIX = ".network-journal"


def undo(directory: Path) -> int:
    """Undo what a crashed run's journals name; return how many commands were run.

    A steward that still lives holds its journal's lock: it is waited for, and then nothing is
    left to do.
    """
    return sum(_undo(path) for path in sorted(directory.glob(f"*{SUFFIX}")))


def _undo(path: Path) -> int:
    with steward.locked(path) as file:
        commands = undoings(file.read(steward.JOURNAL_LIMIT_BYTES))
        steward.undo(commands)
    path.unlink(missing_ok=True)
    return len(commands)


def undoings(content: bytes) -> list[list[str]]:
    """Return the commands of a journal; one that was cut off names none; PURE."""
    with contextlib.suppress(ValueError, RecursionError):
        read = json.loads(content)
        if isinstance(read, list):
            return [c for c in read if isinstance(c, list) and all(isinstance(w, str) for w in c)]
    return []
