"""Call the program as its user does: the installed script, its own process, its own home.

What it starts is told from what other programs of this computer start: the work folders of runs
are a place of our own, and the processes of machines carry a mark in their environments.
"""

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("mptcp-check")
LIMIT_S = 1800
"""Of a call, on a busy computer."""
PATIENCE_S = 300
"""How long what must come may take there."""
MARK = "MPTCP_CHECK_TESTED_BY"
PLACE = Path(f"/tmp/mptcp-check-{os.getuid()}")  # noqa: S108 - the product's place
OVER_PLACE = '"$0" --bind "$1" "$2" && shift 2 && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a call left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def seen(self) -> set[str]:
        """The behaviours that a run found."""
        findings = self.document["report"]["findings"]
        return {f["behaviour"] for f in findings if f["state"] == "seen"}

    @property
    def one_line(self) -> str:
        """The message; a traceback or a second message fails the test."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("mptcp-check: ")]
        assert len(lines) == 1, self.err
        return lines[0]


def call(
    *arguments: str,
    path: str | None = None,
    home: Path | None = None,
    limit_s: float = LIMIT_S,
) -> Said:
    """Run the program to its end."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=limit_s,
        env=environment(path, home),
        check=False,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program and give its process; it is gone afterwards."""
    child = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(None, None),
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stderr is not None
        child.stderr.close()


def wait_for_line(child: subprocess.Popen[str], word: str) -> None:
    """Read what the program says until a line holds ``word``."""
    assert child.stderr is not None
    said = []
    for line in child.stderr:
        said.append(line)
        if word in line:
            return
    raise AssertionError(f"'{word}' was never said, but: {''.join(said)}")


def machines() -> list[int]:
    """Return the pids of the QEMU processes of our calls' work folders."""
    ours = f"{MARK}={os.getpid()}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes()
            marks = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if argv.startswith(b"/usr/bin/qemu-system") and b"/mptcp-check-" in argv and ours in marks:
            found.append(int(process.name))
    return found


def work_folders() -> list[Path]:
    """Return the work folders of our calls' runs, dead or alive."""
    return [p for p in own_place().iterdir() if p.is_dir()]


@functools.cache
def own_place() -> Path:
    """Return what lies over the product's place in all calls of this test process."""
    PLACE.mkdir(mode=0o700, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="tested-mptcp-check-", dir="/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def command(*arguments: str) -> list[str]:
    """Return the command that becomes the program, in a mount namespace with our own place.

    Where its tools are does not depend on the PATH that the program is given.
    """
    unshare, sh, mount = (str(shutil.which(tool)) for tool in ("unshare", "sh", "mount"))
    over = [unshare, "--mount", sh, "-c", OVER_PLACE, mount, str(own_place()), str(PLACE)]
    return [*over, *program(*arguments)]


def program(*arguments: str) -> list[str]:
    """Return the program with its arguments; its machines have time to boot on a busy computer."""
    boots = arguments[:1] == ("run",) and "--boot-timeout" not in arguments
    return [str(PROGRAM), *arguments, *(("--boot-timeout", str(PATIENCE_S)) if boots else ())]


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Say whether something became true in time."""
    for _ in range(int(seconds * 20)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def interrupt(child: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> int:
    """Send a signal and return the exit code."""
    child.send_signal(number)
    return child.wait(timeout=PATIENCE_S)


def environment(path: str | None, home: Path | None) -> dict[str, str]:
    """Return the environment of a call."""
    kept = {**os.environ, MARK: str(os.getpid())}
    if path is not None:
        kept["PATH"] = path
    if home is not None:
        kept["MPTCP_CHECK_HOME"] = str(home)
    return kept
