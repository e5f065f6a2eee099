"""Undo what a crashed run left attached, when its steward did not live to do it."""

import contextlib
import json
from pathlib import Path

from mptcp_check.machines.bridging import steward

JOURNAL = "network-journal"
"""In a run's work folder, from its first attachment to its last undoing."""


def undo(directory: Path) -> int:
    """Undo what a crashed run's journal names; return how many commands were run.

    A steward that still lives holds the journal's lock: it is waited for, and then nothing is
    left to do.
    """
    journal = directory / JOURNAL
    if not journal.exists():
        return 0
    with steward.locked(journal) as file:
        commands = undoings(file.read(steward.JOURNAL_LIMIT_BYTES))
        steward.undo(commands)
    journal.unlink(missing_ok=True)
    return len(commands)


def undoings(content: bytes) -> list[list[str]]:
    """Return the commands of a journal; one that was cut off names none; PURE."""
    with contextlib.suppress(ValueError, RecursionError):
        read = json.loads(content)
        if isinstance(read, list):
            return [c for c in read if isinstance(c, list) and all(isinstance(w, str) for w in c)]
    return []
