"""Do the steps that attach machines to networks, and undo them when the owner is gone.

Called as a script, with the standard library only: ``python -I -S steward.py JOURNAL``.  Each
line of standard input is one step, ``{"do": [...], "undo": [[...], ...]}``; each is answered by
a line, ``{"ok": true}`` or ``{"ok": false, "said": "..."}``.  At the end of the input, which
``kill -9`` of the owner brings too, the undoings of all steps that were done are run, the last
step's first.  The journal holds them as well, locked while this process lives: should it be
killed itself, the next start of the program does the undoing (`remains.py`).
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

TIMEOUT_S = 20
SAID_CHARACTERS = 400
JOURNAL_LIMIT_BYTES = 1 << 20

Commands = Sequence[Sequence[str]]


def serve(requests: Iterable[bytes], answer: Callable[[bytes], object], journal: Path) -> None:
    """Do each step that comes, and at the end undo all of them."""
    undoing: list[list[str]] = []
    with locked(journal) as file:
        try:
            for line in requests:
                step = json.loads(line)
                # written before it is done: whoever is killed in between leaves nothing behind
                _write(file, [*step["undo"], *undoing])
                trouble = run(step["do"])
                if trouble:
                    _write(file, undoing)
                else:
                    undoing = [*step["undo"], *undoing]
                reply = {"ok": not trouble, "said": trouble[:SAID_CHARACTERS]}
                answer(json.dumps(reply).encode() + b"\n")
        finally:
            undo(undoing)
            journal.unlink(missing_ok=True)


def locked(journal: Path) -> BinaryIO:
    """Open a journal and hold its lock; wait for whoever holds it."""
    file = os.fdopen(os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def undo(commands: Commands) -> None:
    """Run all commands, whatever becomes of each."""
    for command in commands:
        run(command)


def run(command: Sequence[str]) -> str:
    """Run a command; return its words if it failed, and nothing if it did not."""
    if not command:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    words = (done.stderr or done.stdout).decode(errors="replace").strip()
    return words or f"exit code {done.returncode}" if done.returncode else ""


def _write(file: BinaryIO, undoing: Commands) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(undoing).encode())
    file.flush()


if __name__ == "__main__":
    # a terminal's Ctrl-C and a closed window are for the owner
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve(sys.stdin.buffer, lambda line: os.write(1, line), Path(sys.argv[1]))
