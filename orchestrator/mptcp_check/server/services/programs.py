"""The server programs: one process per service, transport, address and port, kept running."""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final

from mptcp_check.server.services.privileges import lowered
from mptcp_check.server.services.service import ProgramState
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_guest.lab import Lab
from mptcp_guest.messages import ServiceWanted
from mptcp_guest.refusal import RefusalError
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.services import listeners, listens
from mptcp_guest.serving.sharing import Caps, Login
from mptcp_guest.waiting import Deadline, exit_code

AGAIN_NS: Final = 10**9
"""A program that ended is started again after that time, twice as long after each time."""
AGAIN_MOST_NS: Final = 60 * 10**9
TOLD_AGAIN_NS: Final = 5 * 10**9
STEADY_NS: Final = 60 * 10**9
"""Who has run for so long begins anew with the shortest time."""
DEAF_NS: Final = 2 * 10**9
"""A program that listens may still die of a signal for so long, as mosquitto does."""

_WITHIN_S: Final = 20.0
_WORDS: Final = 300

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Program:
    wanted: ServiceWanted
    name: str
    directory: Path
    child: Popen[bytes] | None = None
    listens: bool = False
    listened: bool = False
    """Whether it ever did: one that never did is not offered."""
    told_again_ns: int | None = None
    """When it is told again who may log in, as it could not be told."""
    reloads: bool = False
    """Whether it must still be told to read again who may log in."""
    began_ns: int = 0
    pause_ns: int = AGAIN_NS
    again_ns: int = 0
    restarts_count: int = 0
    restarted_ns: int | None = None
    because: str = ""


class Programs:
    """All programs of one server.

    Args:
        lab: Starts and ends processes.
        files: What they hand out and take in: a folder per session.
        wanted: What shall run.
        caps: What they may take.
        monotonic_ns: Reads the clock that never goes back.
        wall_ns: Reads the time of day.
    """

    def __init__(
        self,
        lab: Lab,
        files: Path,
        wanted: Sequence[ServiceWanted],
        caps: Caps,
        *,
        monotonic_ns: Callable[[], int],
        wall_ns: Callable[[], int],
    ) -> None:
        self._lab = lab
        self._files = files
        self._caps = caps
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._logins: tuple[Login, ...] = ()
        self._lock = threading.Lock()
        folder = lab.work_directory / "programs"
        # short: sockets are below it, and a socket's path has 107 bytes (unix(7))
        self._programs = [
            _Program(
                wanted=one,
                name=f"{one['service']} {one['transport']} {one['address']} {one['port']}",
                directory=folder / str(number),
            )
            for number, one in enumerate(wanted)
        ]
        shutil.rmtree(folder, ignore_errors=True)

    @property
    def settled(self) -> bool:
        """Whether each has listened or failed: what is offered can be told from then on.

        One that has begun but may not hear yet who may log in would refuse whoever comes now.
        """
        return all((one.listened and not one.reloads) or one.because for one in self._programs)

    def admit(self, logins: Sequence[Login]) -> None:
        """Say who may log in from now on; a program that cannot be told harms no other."""
        with self._lock:
            self._logins = tuple(logins)
            for program in self._programs:
                if program.child is not None:
                    self._tell(program)

    def _tell(self, program: _Program) -> None:
        """Tell a program that runs; one that cannot be told is not alive until it can."""
        try:
            self._admit(program)
        except (RefusalError, OSError) as e:
            if program.told_again_ns is None:
                log.error("%s cannot be told who may log in: %s", program.name, e)  # noqa: TRY400 - it says it all
            program.told_again_ns = self._monotonic_ns() + TOLD_AGAIN_NS
        else:
            program.told_again_ns = None

    def _admit(self, program: _Program) -> None:
        shared = SHARED[program.wanted["service"]]
        shared.admit(self._place(program), self._logins)
        program.reloads = bool(shared.reload_signal)
        self._reload(program, self._monotonic_ns())

    def _reload(self, program: _Program, now_ns: int) -> None:
        """Tell a program to read again who may log in, once it surely hears that."""
        ready = program.listens and now_ns - program.began_ns >= DEAF_NS
        if program.reloads and program.child is not None and ready:
            # one that has ended is not reaped before `_notice_end`: the number is its own
            os.kill(program.child.pid, SHARED[program.wanted["service"]].reload_signal)
            program.reloads = False

    def keep(self) -> None:
        """Start what does not run; to be called again and again."""
        now_ns = self._monotonic_ns()
        for program in self._programs:
            with self._lock:
                self._notice_end(program, now_ns)
                if program.child is None and now_ns >= program.again_ns:
                    self._start(program, now_ns)
                self._reload(program, now_ns)
                again_ns = program.told_again_ns
                if program.child is not None and again_ns is not None and now_ns >= again_ns:
                    self._tell(program)
        if any(one.child is not None and not one.listens for one in self._programs):
            self._see_who_listens()

    def states(self) -> tuple[ProgramState, ...]:
        """Return how those are that can be used, or could be before they crashed."""
        return tuple(
            ProgramState(
                service=one.wanted["service"],
                transport=one.wanted["transport"],
                address=one.wanted["address"],
                port=one.wanted["port"],
                alive=_alive(one),
                restarts_count=one.restarts_count,
                restarted_ns=one.restarted_ns,
                because=one.because,
            )
            for one in self._programs
            if one.listened
        )

    def end(self) -> None:
        """End them all."""
        for program in self._programs:
            if program.child is not None:
                self._lab.end(program.child)
                program.child = None

    def _notice_end(self, program: _Program, now_ns: int) -> None:
        child = program.child
        if child is None or exit_code(child) is None:
            return
        self._lab.end(child)  # what it started goes with it: its port must be free
        steady = now_ns - program.began_ns >= STEADY_NS
        program.pause_ns = AGAIN_NS if steady else min(2 * program.pause_ns, AGAIN_MOST_NS)
        program.again_ns = now_ns + program.pause_ns
        program.child, program.listens, program.reloads = None, False, False
        program.because = f"it ended with {child.returncode}"
        log.error(
            "%s %s and is started again: %s", program.name, program.because, _last_words(program)
        )

    def _start(self, program: _Program, now_ns: int) -> None:
        again = bool(program.because)
        try:
            shutil.rmtree(program.directory, ignore_errors=True)
            program.directory.mkdir(parents=True)
            wanted = program.wanted
            command = SHARED[wanted["service"]].prepare(self._place(program), wanted, self._caps)
            self._admit(program)
            wrapper = ["mptcpize", "run"] if wanted["transport"] == "mptcp" else []
            wrapper += lowered(SHARED[wanted["service"]].capabilities, self._caps.upload_bytes)
            with (program.directory / "output.log").open("wb") as words:
                program.child = self._lab.start(
                    [*wrapper, *command], stdout=words, stderr=words, cwd=program.directory
                )
        except (RefusalError, OSError) as e:
            program.because = f"it does not start: {e}"[:_WORDS]
            program.pause_ns = min(2 * program.pause_ns, AGAIN_MOST_NS)
            program.again_ns = now_ns + program.pause_ns
            log.error("%s: %s", program.name, program.because)  # noqa: TRY400 - it says it all
            return
        program.began_ns, program.told_again_ns = now_ns, None
        if again:
            program.restarts_count += 1
            program.restarted_ns = self._wall_ns()

    def _see_who_listens(self) -> None:
        with suppress(RefusalError):  # the next round asks again
            found = listeners(self._lab.succeed(["ss", "-HOnltM"], Deadline.after(_WITHIN_S)))
            for program in self._programs:
                with self._lock:
                    before = program.listens
                    program.listens = program.child is not None and listens(program.wanted, found)
                    program.listened |= program.listens
                    if program.listens and not before:
                        self._tell(program)  # who came while it began

    def _place(self, program: _Program) -> Place:
        return Place(
            lab=self._lab,
            directory=program.directory,
            files=self._files,
            until=Deadline.after(_WITHIN_S),
        )


def _alive(program: _Program) -> bool:
    child, told = program.child, program.told_again_ns is None
    return program.listens and told and child is not None and exit_code(child) is None


def _last_words(program: _Program) -> str:
    """Return the end of what it said; its configuration keeps it from naming users."""
    try:
        words = (program.directory / "output.log").read_bytes()[-_WORDS:]
    except OSError:
        return ""
    return words.decode(errors="replace").strip().replace("\n", "; ")
