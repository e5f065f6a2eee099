"""What was changed on somebody's machine is written down before it is changed, and put back after.

The commands stand in a file in the agent's work directory, which the agent holds locked as long
as it lives.  A directory whose lock can be taken belongs to an agent that was killed: the next
one on that machine puts back what it left.
"""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

FILE = "undo.json"
LOCK = "lock"
STEP_S = 10
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(slots=True)
class Undo:
    """Commands that put a machine back, the last first."""

    path: Path | None = None
    """Where they are kept for whoever comes after a kill; none keeps them in memory only."""
    _commands: list[list[str]] = field(default_factory=list)

    def add(self, *commands: list[str]) -> None:
        """Note what undoes a change that is about to be made."""
        self._commands += commands
        self._save()

    def all(self) -> None:
        """Put everything back; one that fails keeps no other."""
        run(reversed(self._commands))
        self._commands.clear()
        self._save()

    def _save(self) -> None:
        if self.path is not None and self.path.parent.exists():
            temporary = self.path.with_suffix(".new")
            temporary.write_text(json.dumps(self._commands))
            temporary.replace(self.path)


def run(commands: Iterable[list[str]]) -> None:
    """Run commands to their end, whatever comes of them."""
    for command in commands:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - lists that this agent wrote
                command, capture_output=True, timeout=STEP_S, check=False, env=_ENVIRONMENT
            )


def take(directory: Path) -> IO[bytes] | None:
    """Lock a work directory until its file is closed; none when somebody else has it."""
    file = (directory / LOCK).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def remove_remains(parent: Path) -> list[str]:
    """Put back what killed agents left under a directory; return their names."""
    removed = []
    for directory in sorted(parent.iterdir()):
        lock = take(directory) if directory.is_dir() else None
        if lock is None:
            continue
        with lock:
            run(reversed(_read(directory / FILE)))
            shutil.rmtree(directory, ignore_errors=True)
            removed.append(directory.name)
    return removed


def _read(path: Path) -> list[list[str]]:
    try:
        commands = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    fitting = isinstance(commands, list) and all(
        isinstance(c, list) and c and all(isinstance(w, str) for w in c) for c in commands
    )
    return commands if fitting else []
