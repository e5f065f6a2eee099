"""What all verbs share: the namespace, the directory, and the processes started in them.

The agent stays in the machine's root namespace.  What it asks the kernel about the lab, and where
it starts programs for the lab, is done by `mptcp_guest.inside`: a child is in the network of the
thread that makes it.  ``ip netns exec`` would be one more program for each.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import IO, TypeVar

from mptcp_guest.inside import inside
from mptcp_guest.refusal import RefusalError
from mptcp_guest.undo import Undo
from mptcp_guest.waiting import Deadline, Stop, ends_within
from mptcp_guest.watchdog import Watchdog

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
}
"""All that a program gets: no proxy settings, no locale, no home of anybody."""

T = TypeVar("T")

KILL_GRACE_S = 2.0
OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024


class Inside(list[str]):
    """A command that is run in the lab's network."""


@dataclass(slots=True, kw_only=True)
class Lab:
    """One agent's lab: at most one namespace, one directory, and every child process."""

    work_directory: Path
    stop: Stop
    owns_machine: bool = False
    """Whether it may power off the machine and set its clock."""
    watchdog: Watchdog | None = None
    """Where the machine is its own, what powers it off when the host is gone."""
    powering_off: bool = False
    """The machine ends once the answer is out and everything is stopped."""
    namespace: str | None = None
    own_network: bool = False
    """The lab is the machine's own network, there is no namespace."""
    frame_bytes: dict[str, int] = field(default_factory=dict)
    """The longest frame of each interface that shows frames as they are on the wire."""
    undo: Undo = field(default_factory=Undo)
    """What puts the machine back as it was."""
    _children: dict[int, Popen[bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def inside(self, argv: Sequence[str]) -> Inside:
        """Return this command as one that `start` runs in the lab's network.

        Raises:
            RefusalError: There is no lab.
        """
        if not self.own_network:
            self.namespace_name()
        return Inside(argv)

    def within(self, work: Callable[[], T]) -> T:
        """Do some work in the lab's network and return what it returns.

        Raises:
            RefusalError: There is no lab.
            OSError: The namespace is gone.
            Exception: Whatever the work raises.
        """
        return inside(None if self.own_network else self.namespace_name(), work)

    def ip(self, *words: str) -> list[str]:
        """Return an ip command about the lab's network.

        Raises:
            RefusalError: There is no lab.
        """
        return ["ip", *([] if self.own_network else ["-n", self.namespace_name()]), *words]

    def ip_batch(
        self, ip: Sequence[str], commands: Iterable[Sequence[str]], until: Deadline
    ) -> str:
        """Run ip commands, all in one process: an emulated machine is slow.

        Args:
            ip: The program with its options.
            commands: Their words; none may hold white space.
            until: When they must be done.

        Raises:
            RefusalError: One failed; those before it were done.
        """
        batch = self.work_directory / "ip-commands"
        batch.write_text("".join(f"{' '.join(command)}\n" for command in commands))
        return self.succeed([*ip, "-batch", str(batch)], until)

    def namespace_name(self) -> str:
        """Return the name of the lab's namespace.

        Raises:
            RefusalError: There is no lab.
        """
        if self.namespace is None:
            raise RefusalError("bad_arguments", "there is no lab yet: lab_up first")
        return self.namespace

    def start(
        self,
        argv: Sequence[str],
        *,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
        cwd: Path | None = None,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> Popen[bytes]:
        """Start a program in a process group of its own, and remember it until `end`.

        Raises:
            RefusalError: It cannot be started.
        """

        def begin() -> Popen[bytes]:
            return Popen(  # noqa: S603 - lists only, from the orchestrator that owns this machine
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )

        try:
            child = inside(self.namespace if isinstance(argv, Inside) else None, begin)
        except OSError as error:
            raise RefusalError("failed", f"{argv[0]} does not start: {error.strerror}") from error
        with self._lock:
            self._children[child.pid] = child
        return child

    def run(self, argv: Sequence[str], until: Deadline) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end and return its exit code and output, whatever they are.

        Raises:
            RefusalError: It cannot be started, or it is not done in time and was killed.
        """
        child = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = child.communicate(timeout=until.left_s)
        except subprocess.TimeoutExpired as error:
            raise RefusalError("deadline", f"{' '.join(argv)} did not end in time") from error
        finally:
            # not ``with child``: that waits without end for a child that the kernel holds
            self.end(child, grace_s=0)
            for stream in (child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
        return subprocess.CompletedProcess(
            argv, child.returncode, out[:OUTPUT_LIMIT_BYTES], err[:OUTPUT_LIMIT_BYTES]
        )

    def succeed(self, argv: Sequence[str], until: Deadline) -> str:
        """Run a program that must succeed and return what it wrote.

        Raises:
            RefusalError: As `run`, or it ended with another exit code than 0.
        """
        done = self.run(argv, until)
        if done.returncode != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise RefusalError("failed", f"{' '.join(argv)}: exit {done.returncode}: {words[:500]}")
        return done.stdout.decode(errors="replace")

    def end(
        self, child: Popen[bytes], *, first: int = signal.SIGTERM, grace_s: float = KILL_GRACE_S
    ) -> None:
        """End a program and its whole process group, by force when it does not follow.

        Args:
            child: From `start`.
            first: The signal that asks it.
            grace_s: How long it may take to follow; 0 kills at once.
        """
        with self._lock:
            self._children.pop(child.pid, None)
        if child.returncode is None:
            if grace_s:
                _signal_group(child, first)
                ends_within(child, grace_s)
            # the leader may be gone while its children live on: the group outlives it, and its
            # number stays taken until the leader is reaped
            _signal_group(child, signal.SIGKILL)
            # a process in uninterruptible sleep cannot be waited for: leave it to the machine
            with suppress(subprocess.TimeoutExpired):
                child.wait(KILL_GRACE_S)

    def end_all(self) -> None:
        """End every program that is still there."""
        for child in list(self._children.values()):
            if child.returncode is None:
                _signal_group(child, signal.SIGTERM)
        for child in list(self._children.values()):
            self.end(child, grace_s=KILL_GRACE_S / 2)


def _signal_group(child: Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
