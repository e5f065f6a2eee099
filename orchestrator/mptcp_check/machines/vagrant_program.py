"""The program ``vagrant``, never without a deadline: python-vagrant knows its commands, not time.

Vagrant runs in a session of its own: a terminal's Ctrl-C is for us, and what we end ends with
all its children.  Its output goes to files, because a child that hangs keeps a pipe open.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import vagrant

from mptcp_check.errors import MachineError, MptcpCheckError, PreflightError
from mptcp_check.machines import process, vagrant_words

PROGRAM: Final = "vagrant"
_DATA: Final = ".vagrant"
"""Vagrant's folder beside its file; the hypervisor's name of each machine is in it."""

_LOOK_S: Final = 0.1
_OUTPUT_LIMIT_BYTES: Final = 16 << 20
_READ_BYTES: Final = 1 << 20
_CLEAN_UP_S: Final = 20.0
"""How long Vagrant may take to undo what it began, once it was interrupted."""

SHORT_S: Final = 60.0
"""For commands that change nothing: Ruby alone takes a second, a busy computer ten."""

_OWN = ("VAGRANT_", "MPTCP_CHECK_", "RUBY", "GEM_", "BUNDLE")
"""What of the user's environment would make Vagrant do something else than we say."""


class VagrantProgram(vagrant.Vagrant):  # type: ignore[misc] # it has no types
    """One machine's Vagrant: its folder, its environment, its log."""

    def __init__(self, *, folder: Path, home: Path, environment: Mapping[str, str]) -> None:
        base = {k: v for k, v in os.environ.items() if not k.startswith(_OWN)}
        own = {
            "VAGRANT_HOME": str(home),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_DOTFILE_PATH": str(folder / _DATA),
            "VAGRANT_NO_COLOR": "1",
        }
        super().__init__(root=str(folder), env={**base, **own, **environment})
        self.log = folder / "vagrant.log"
        self._within_s = SHORT_S

    def bring_up(self, provider: str, *, within_s: float) -> None:
        """Start the machine.

        Raises:
            PreflightError: There is no such hypervisor here.
            MachineError: It did not come up; the message has Vagrant's own words.
        """
        self._within_s = within_s
        self.up(provider=provider)

    def state(self) -> str:
        """Return the machine's state in Vagrant's words: running, shutoff, not_created.

        Raises:
            MachineError: Vagrant failed, or what it said cannot be read.
        """
        self._within_s = SHORT_S
        said = self._run_vagrant_command(["status", "--machine-readable"])
        found = vagrant_words.state(said)
        if found is None:
            raise self._unreadable("status", said)
        return found

    def ssh_address(self) -> tuple[str, int]:
        """Return where the machine's ssh is reached.

        Raises:
            MachineError: Vagrant failed, or what it said cannot be read.
        """
        self._within_s = SHORT_S
        said = self._run_vagrant_command(["ssh-config"])
        try:
            settings = self._parse_config(said)
        except ValueError:  # a line of one word
            settings = {}
        found = vagrant_words.address(settings)
        if found is None:
            raise self._unreadable("ssh-config", said)
        return found

    def tear_down(self, *, within_s: float) -> None:
        """End the machine and remove all of it; nothing to do when none was made.

        Raises:
            MachineError: Vagrant failed.
        """
        # a hypervisor that is not there cannot say that it has no such machine
        if any((Path(self.root) / _DATA / "machines").glob("*/*/id")):
            self._within_s = within_s
            self.destroy()

    def add_box(self, name: str, file: Path, provider: str, *, within_s: float) -> None:
        """Take a box file in, under a name.

        Raises:
            MachineError: It is not a box, or not one for this provider.
        """
        self._within_s = within_s
        self.box_add(name, str(file), provider=provider, force=True)

    def _call_vagrant_command(self, args: Sequence[str | None]) -> None:
        self._run_vagrant_command([*args, "--machine-readable"])

    def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
        words = [word for word in args if word is not None]
        program = process.find(PROGRAM)
        out, err = self.log.with_suffix(".out"), self.log.with_suffix(".err")
        try:
            code = _run([program, *words], self.root, self.env, (out, err), self._within_s)
            said, trouble = (_head(file) for file in (out, err))
            self._note(words, said, trouble)
        finally:
            for file in (out, err):
                file.unlink(missing_ok=True)
        if code is None:
            raise MachineError(
                f"'vagrant {words[0]}' did not end within {self._within_s:g} s",
                hint="run it by hand to see why, or take another --machine",
            )
        if code != 0:
            raise self._failed(words[0], code, vagrant_words.failure(said, trouble))
        return said

    def _note(self, words: Sequence[str], said: str, trouble: str) -> None:
        """Keep Vagrant's words for the run's logs."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ vagrant {' '.join(words)}\n{said}{trouble}")

    @staticmethod
    def _failed(verb: str, code: int, why: vagrant_words.Failure) -> MptcpCheckError:
        message = f"'vagrant {verb}' failed (exit code {code}): {why.words or 'it said nothing'}"
        if why.not_usable:
            return PreflightError(message, hint="docs/vagrant.md says what each provider needs")
        return MachineError(message, hint="docs/vagrant.md says what each provider needs")

    @staticmethod
    def _unreadable(verb: str, said: str) -> MachineError:
        return MachineError(
            f"what 'vagrant {verb}' said cannot be read: {process.plain(said.encode())[:80]!r}",
            hint="run it by hand: a plugin may be broken",
        )


def _run(
    argv: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    files: tuple[Path, Path],
    within_s: float,
) -> int | None:
    """Run a command to its end and return its exit code; none when it had to be ended."""
    with files[0].open("wb") as out, files[1].open("wb") as err:
        child = subprocess.Popen(  # noqa: S603 - a list, no shell
            argv,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        looks = int(within_s / _LOOK_S)
        for _ in range(looks):
            with suppress(subprocess.TimeoutExpired):
                return child.wait(_LOOK_S)
            if sum(file.stat().st_size for file in files) > _OUTPUT_LIMIT_BYTES:
                break
        return None
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask for an end, as Ctrl-C does, so that Vagrant undoes what it began; then insist."""
    if child.returncode is not None:
        return  # what it left running is the machine
    child.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_CLEAN_UP_S)
        return
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _head(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.read(_READ_BYTES).decode(errors="replace")


def installed() -> bool:
    """Say whether Vagrant is on PATH."""
    return shutil.which(PROGRAM) is not None
