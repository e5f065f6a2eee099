"""The servers of a run: each service, transport and address is named.

MPTCP instances run under mptcpize on the addresses for MPTCP, plain ones on the addresses for the
control.  A server counts as started when its socket listens, and listens as MPTCP or does not.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from mptcp_guest import messages
from mptcp_guest.lab import Lab
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.serving import PROGRAMS, bound
from mptcp_guest.serving.program import USER, Place, Program, socket_address
from mptcp_guest.waiting import Deadline, exit_code

LOG_TAIL_BYTES = 2000
LOOK_S = 0.02
"""How often to look whether they listen."""
LAST_LOOK_S = 15.0
"""Kept of the time that there is, so that a server that does not listen can be named in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One service, and the server program that it has, maybe with others."""

    wanted: messages.ServiceWanted
    directory: Path
    child: Popen[bytes]

    def state(self) -> messages.ServiceState:
        """Return how it is, with the end of its log."""
        code = exit_code(self.child)
        logs = (self.directory / "output.log", self.directory / "error.log")
        words = b"".join(log.read_bytes() for log in logs if log.exists())
        wanted = self.wanted
        service, transport = wanted["service"], wanted["transport"]
        return messages.ServiceState(
            name=f"{service} {transport} {wanted['address']} {wanted['port']}",
            service=service,
            transport=transport,
            address=wanted["address"],
            port=wanted["port"],
            alive=code is None,
            exit_code=code,
            log_tail=words[-LOG_TAIL_BYTES:].decode(errors="replace"),
        )


class Services:
    """All servers of the lab, and the files they hand out and take in."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._files = lab.work_directory / "files"
        self._directory = lab.work_directory / "services"
        self._running: list[Running] = []

    def start(
        self, arguments: messages.ServicesStartArguments, until: Deadline
    ) -> messages.ServicesResult:
        """Start them all and wait until all listen.

        Raises:
            RefusalError: One of them does not, named, with its log; then none runs.
        """
        if self._running:
            raise RefusalError("bad_arguments", "services are running already: services_stop first")
        if len(arguments["passive_ports"]) != 2:  # noqa: PLR2004 - first and last
            raise RefusalError("bad_arguments", "passive_ports: wants the first and the last port")
        checked_name(arguments["user"])
        shutil.rmtree(self._directory, ignore_errors=True)  # of a start before this one
        for directory in ("down", "up"):
            place = self._files / directory
            place.mkdir(parents=True, exist_ok=True)
            shutil.chown(place, USER, USER)
        try:
            for number, wanted in enumerate(kindred(arguments["services"])):
                self._running += self._start(number, wanted, arguments, until)
            self._await_listening(until)
        except (RefusalError, OSError):
            self.stop()
            raise
        return self.state()

    def state(self) -> messages.ServicesResult:
        """Return how they all are."""
        return messages.ServicesResult(services=[running.state() for running in self._running])

    def stop(self) -> messages.ServicesResult:
        """Stop them all and return how they were just before."""
        last = self.state()
        for running in self._running:
            self._lab.end(running.child)
        self._running.clear()
        return last

    def offer(self, arguments: messages.OfferArguments) -> messages.Digest:
        """Have a service hand out a content."""
        name = checked_name(arguments["name"])
        (self._files / "down").mkdir(parents=True, exist_ok=True)
        shelf = _program(arguments["service"]).shelf
        return shelf.offer(self._files, name, arguments["content"])

    def received(self, arguments: messages.ReceivedArguments) -> messages.ReceivedResult:
        """Digest what was sent to a service."""
        name = checked_name(arguments["name"])
        found = _program(arguments["service"]).shelf.received(self._files, name)
        return messages.ReceivedResult(received=found)

    def discard(self, arguments: messages.DiscardArguments) -> None:
        """Forget what a service has under a name."""
        name = checked_name(arguments["name"])
        _program(arguments["service"]).shelf.discard(self._files, name)

    def _start(
        self,
        number: int,
        wanted: Sequence[messages.ServiceWanted],
        arguments: messages.ServicesStartArguments,
        until: Deadline,
    ) -> Iterator[Running]:
        # short: dovecot's sockets are below it, and a socket's path has 107 bytes (unix(7))
        directory = self._directory / str(number)
        directory.mkdir(parents=True)
        place = Place(lab=self._lab, directory=directory, files=self._files, until=until)
        program = _program(wanted[0]["service"])
        if program.together:
            command = program.together.prepare(place, wanted, arguments)
        else:
            command = program.prepare(place, wanted[0], arguments)
        wrapper = ["mptcpize", "run"] if wanted[0]["transport"] == "mptcp" else []
        with (directory / "output.log").open("wb") as log:
            child = self._lab.start(
                self._lab.inside([*wrapper, *command]), stdout=log, stderr=log, cwd=directory
            )
        return (Running(wanted=one, directory=directory, child=child) for one in wanted)

    def _await_listening(self, until: Deadline) -> None:
        missing: list[Running] = []

        def all_listen() -> bool:
            # a program for each look costs an emulated machine more than what it waits for
            places = self._lab.within(bound.places)
            missing[:] = [r for r in self._running if _place(r.wanted) not in places]
            if not missing:  # whether they listen as MPTCP, only ss can say
                found = listeners(self._lab.succeed(self._lab.inside(["ss", "-HOnltM"]), until))
                missing[:] = [r for r in self._running if not listens(r.wanted, found)]
            return not missing or any(exit_code(r.child) is not None for r in missing)

        in_time = self._lab.stop.wait_until(all_listen, until.but(LAST_LOOK_S), every_s=LOOK_S)
        if missing:
            # one that has ended tells more than one that may still come
            told = next((r for r in missing if exit_code(r.child) is not None), missing[0])
            state = told.state()
            ended = f"ended with {state['exit_code']}" if not state["alive"] else "does not listen"
            raise RefusalError(
                "failed" if in_time else "deadline", f"{state['name']} {ended}: {state['log_tail']}"
            )


def kindred(
    services: Iterable[messages.ServiceWanted],
) -> list[list[messages.ServiceWanted]]:
    """Return what shall be served, process by process; PURE.

    Raises:
        RefusalError: There is no such service.
    """
    found: list[list[messages.ServiceWanted]] = []
    shared: dict[tuple[str, str], list[messages.ServiceWanted]] = {}
    for wanted in services:
        together = _program(wanted["service"]).together
        own: list[messages.ServiceWanted] = []
        if together:
            own = shared.setdefault((together.name, wanted["transport"]), own)
        own.append(wanted)
        if len(own) == 1:
            found.append(own)
    return found


def listeners(text: str) -> set[tuple[str, str]]:
    """Return the kind and ``ADDRESS:PORT`` of each line of ``ss -HOnltM``; PURE."""
    rows = (line.split() for line in text.splitlines())
    return {(row[0], row[4]) for row in rows if len(row) > 4}  # noqa: PLR2004 - ss columns


def listens(wanted: messages.ServiceWanted, found: set[tuple[str, str]]) -> bool:
    """Return whether a server listens as it shall, by what `listeners` found; PURE."""
    place = _place(wanted)
    # an MPTCP listener shows twice: itself, and its first subflow as tcp
    return ("tcp", place) in found and (("mptcp", place) in found) == (
        wanted["transport"] == "mptcp"
    )


def _place(wanted: messages.ServiceWanted) -> str:
    return socket_address(wanted["address"], wanted["port"])


def _program(service: str) -> Program:
    if service not in PROGRAMS:
        raise RefusalError("bad_arguments", f"there is no service {service[:40]!r}")
    return PROGRAMS[service]
