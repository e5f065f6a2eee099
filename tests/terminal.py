"""A program on a pseudo-terminal, answered as a person would; standard library only."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 120.0
INTERRUPT, END_OF_FILE = b"\x03", b"\x04"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Terminal:
    """What was said on it so far, and the keys."""

    def __init__(self, master: int, program: "subprocess.Popen[bytes]") -> None:
        self._master = master
        self.program = program
        self.said = b""
        self._seen = 0

    @property
    def text(self) -> str:
        """What was said, without colours and cursor movements."""
        return _CONTROL.sub("", self.said.decode(errors="replace")).replace("\r\n", "\n")

    def expect(self, text: str) -> None:
        """Wait until a text was said, after what was expected before."""
        deadline = time.monotonic() + DEADLINE_S  # noqa: TID251 - a test's own deadline
        while (at := self.text.find(text, self._seen)) < 0:
            left_s = deadline - time.monotonic()  # noqa: TID251 - as above
            if left_s <= 0 or not self._read(left_s):
                raise AssertionError(f"{text!r} was not said, but {self.text!r}")
        self._seen = at + len(text)

    def type(self, keys: bytes) -> None:
        """Press keys, once the program waits, as a person does.

        A Ctrl-C that comes after Python's last look for signals and before its read(2) would not
        be noticed until the next key.
        """
        deadline = time.monotonic() + DEADLINE_S  # noqa: TID251 - a test's own deadline
        while not self._sleeps():
            assert time.monotonic() < deadline, "the program does not wait"  # noqa: TID251 - as above
            time.sleep(0.002)
        os.write(self._master, keys)

    def _sleeps(self) -> bool:
        """Say whether its main thread waits for something (proc_pid_stat(5)), or has ended."""
        pid = self.program.pid
        try:
            said = Path(f"/proc/{pid}/task/{pid}/stat").read_text()
        except OSError:
            return True
        return said.rpartition(") ")[2][0] in "SZ"

    def end(self) -> int:
        """Wait for the program's end; return its exit code."""
        while self._read(DEADLINE_S):
            pass
        return self.program.wait(DEADLINE_S)

    def _read(self, patience_s: float) -> bool:
        if not select.select([self._master], [], [], patience_s)[0]:
            return False
        try:
            octets = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            return False
        self.said += octets
        return bool(octets)


@contextmanager
def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24
) -> Iterator[Terminal]:
    """Run a program with a terminal of its own for all it reads and says; kill it in the end."""
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "CI")}
        program = subprocess.Popen(
            ["setsid", "--ctty", *command],  # so that Ctrl-C on it is a signal
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**inherited, "TERM": "xterm-256color", **environment},
        )
        os.close(slave)
        slave = -1
        try:
            yield Terminal(master, program)
        finally:
            program.kill()
            program.wait(DEADLINE_S)
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)
