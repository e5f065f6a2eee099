"""A program called ``vagrant`` that does what a test wants and notes how it was called."""

import os
import sys
from pathlib import Path

import pytest

_SCRIPT = """\
#!{python} -IS
import os, sys, time
here = {here!r}
words = sys.argv[1:]
with open(os.path.join(here, "calls"), "a") as calls:
    calls.write(" ".join(words) + "\\n")
with open(os.path.join(here, "environment"), "w") as said:
    for name, value in sorted(os.environ.items()):
        said.write(name + "=" + value + "\\n")
verb = words[0]
{body}
"""


class FakeVagrant:
    """The program and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def does(self, body: str) -> None:
        """Set what it does: Python that sees ``verb`` and ``words``."""
        program = self.folder / "vagrant"
        text = _SCRIPT.format(python=sys.executable, here=str(self.folder), body=body)
        fresh = self.folder / "fresh"
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(program)  # not written while somebody runs it

    def calls(self) -> list[str]:
        """Return the command lines it got."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def environment(self) -> dict[str, str]:
        """Return what it had the last time."""
        lines = (self.folder / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVagrant:
    """Put one on PATH, before the real one."""
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    fake = FakeVagrant(folder)
    fake.does("pass")
    return fake
