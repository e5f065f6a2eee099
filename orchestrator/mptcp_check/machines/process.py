"""Every child process of the host side starts here: lists only, deadlines always, own sessions."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from mptcp_check.errors import PreflightError

KEEPER = Path(__file__).with_name("keeper.py")
_KEEPER_S = 30.0
"""How long a keeper may take to end its child and itself, before it is ended."""
_KILLED_S = 60.0
"""How long a busy computer may take for who was killed."""

MOST_UNREADABLE = 1 / 3
"""Share of signs that are none of a text; of random bytes it is nearly two thirds."""


@dataclass(slots=True, kw_only=True)
class Child:
    """A process that cannot outlive us: its keeper holds a pipe and kills it when we are gone."""

    name: str
    log: Path
    _keeper: subprocess.Popen[bytes] = field(repr=False)

    def exit_code(self) -> int | None:
        """Return the exit code, or none while it runs."""
        return self._keeper.poll()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; say whether it ended in time."""
        try:
            self._keeper.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it now and reap it; harmless when it has ended already."""
        pipe: IO[bytes] | None = self._keeper.stdin
        if pipe is not None:
            pipe.close()  # the keeper kills its child at the end of file
        try:
            self._keeper.wait(_KEEPER_S)
        except subprocess.TimeoutExpired:
            self._keeper.send_signal(signal.SIGKILL)
            self._keeper.wait(_KILLED_S)

    def log_tail(self, limit_bytes: int = 2000) -> str:
        """Return the end of what it wrote, as `tail` does."""
        return tail(self.log, limit_bytes)


def start(name: str, argv: Sequence[str], *, log: Path, descriptors: Sequence[int] = ()) -> Child:
    """Start ``argv`` under a keeper, in a session of its own: a terminal's Ctrl-C is for us.

    Args:
        name: How messages call it.
        argv: The program, found on PATH, and its arguments.
        log: Where its output goes; created, readable by the user only.
        descriptors: Open files that it inherits, by the same numbers.

    Raises:
        PreflightError: The program is not installed.
    """
    program = find(argv[0])
    inherited = ",".join(map(str, descriptors)) or "-"
    children: list[Child] = []
    try:
        with log.open("wb") as output, interrupted_later():
            log.chmod(0o600)
            keeper = subprocess.Popen(  # noqa: S603 - a list, no shell
                [sys.executable, "-I", "-S", str(KEEPER), inherited, program, *argv[1:]],
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            children.append(Child(name=name, log=log, _keeper=keeper))
    except BaseException:
        for child in children:
            child.kill()
        raise
    return children[0]


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Let an interrupt wait for the end of the block; in the main thread, which is interrupted.

    One that came while a process is made would leave a process of which nobody knows: it would
    start, and be ended by its keeper, when the run that it belongs to has long said its last word.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handled:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        for one in came[:1]:
            signal.raise_signal(one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a short program said."""

    exit_code: int
    stdout: bytes
    stderr: str


def run(argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
    """Run a short program to its end.

    Raises:
        PreflightError: The program is not installed, or did not end in ``timeout_s`` seconds.
    """
    program = find(argv[0])
    with (
        subprocess.Popen(  # noqa: S603 - a list, no shell
            [program, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as child
    ):
        try:
            stdout, stderr = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise PreflightError(
                f"{argv[0]} did not end within {timeout_s:g} s", hint="run it by hand to see why"
            ) from None
        finally:
            if child.returncode is None:  # and not its leader alone: what it started hangs as well
                os.killpg(child.pid, signal.SIGKILL)
    return Completed(
        exit_code=child.returncode,
        stdout=stdout,
        stderr=stderr.decode(errors="replace"),
    )


def find(program: str) -> str:
    """Return the path of a program.

    Raises:
        PreflightError: It is not on PATH.
    """
    path = shutil.which(program)
    if path is None:
        raise PreflightError(
            f"{program} is not installed", hint="`mptcp-check doctor` says which package holds it"
        )
    return path


def tail(path: Path, limit_bytes: int = 2000) -> str:
    """Return the end of a file as lines that can be printed; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - limit_bytes))
            return plain(file.read(limit_bytes))
    except OSError:
        return ""


def plain(said: bytes) -> str:
    """Return what a program said as lines that can be printed; PURE.

    A guest and a broken program write anything: what a terminal would obey is left out, and of
    what is hardly text only the size is told.
    """
    lines = said.decode(errors="replace").splitlines()
    signs = "".join(lines)
    unreadable_count = sum(not _readable(c) for c in signs)
    if unreadable_count > MOST_UNREADABLE * len(signs):
        return f"{len(said)} bytes that are no text"
    return "\n".join("".join(c if _readable(c) else " " for c in line) for line in lines).strip()


def last_words(path: Path, limit_bytes: int = 400) -> str:
    """Return the end of a file as one line for a message; empty when there is none."""
    return " ".join(tail(path, limit_bytes).split())


def _readable(sign: str) -> bool:
    return sign.isprintable() and sign != "\N{REPLACEMENT CHARACTER}"
