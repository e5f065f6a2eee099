"""A machine that is up: QEMU, ssh and the agent, taken down in the reverse order."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mptcp_check import clock
from mptcp_check.errors import MachineError
from mptcp_check.machines import capture_port
from mptcp_check.machines.agent import Agent
from mptcp_check.machines.heartbeat import beating
from mptcp_check.machines.management import Management, RunKeys, wait_for_guest
from mptcp_check.machines.powered import Powered, its_end_first
from mptcp_check.machines.qemu import Machine, MachineSpec
from mptcp_guest.messages import CaptureFile

ARCHIVE_PATH = "/run/mptcp-guest.pyz"


class Guest:
    """One machine with an agent that answers.

    Args:
        machine: What runs it.
        management: Ssh to it.
        agent: In it.
        captures: The socket of the port on which its captures come; none where it has none.
    """

    def __init__(
        self,
        machine: Powered,
        management: Management,
        agent: Agent,
        *,
        captures: Path | None = None,
    ) -> None:
        self.name = machine.name
        self.machine = machine
        self.management = management
        self.agent = agent
        self.captures = captures


def fetch(machine: Guest, file: CaptureFile, directory: Path) -> bytes:
    """Bring a finished capture out of a machine, whole.

    Raises:
        MachineError: It is not there or came damaged, or the machine went away.
    """
    with its_end_first(machine.machine):
        if machine.captures is None:
            content = _by_ssh(machine, file, directory)
        else:
            content = capture_port.received(
                machine.captures, file, agent=machine.agent, now_ns=clock.monotonic_ns
            )
        # the agent may have said that all is sent while QEMU, which ended, held the rest
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            raise MachineError(
                f"the {machine.name} capture of {file['interface']} came damaged: "
                f"{len(content)} of {file['bytes']} bytes",
                hint="start the run again",
            )
    return content


def _by_ssh(machine: Guest, file: CaptureFile, directory: Path) -> bytes:
    local = directory / f"{machine.name}-{file['interface']}.pcap"
    machine.management.get(file["path"], local)
    content = local.read_bytes()
    local.unlink()
    return content


@contextmanager
def guest(
    machine: Machine,
    keys: RunKeys,
    *,
    archive: bytes,
    now_ns: Callable[[], int],
    deadline_ns: int,
) -> Iterator[Guest]:
    """Wait for a booting machine, push the agent, give the machine, and hang up at the end.

    Whoever booted the machine kills it then: nothing of it is on a disk, and its own way to power
    off took a second of each run.

    Args:
        machine: A machine that `Machine.boot` started.
        keys: The run's keys; the guest has its half from its boot.
        archive: The agent as a zipapp.
        now_ns: Monotonic clock.
        deadline_ns: When the guest must have answered, by that clock.

    Raises:
        MachineError: It did not boot or answer in time.
    """
    name = machine.spec.name
    connection = wait_for_guest(
        machine.spec.management_socket,
        check_alive=machine.check_alive,
        now_ns=now_ns,
        deadline_ns=deadline_ns,
        name=name,
    )
    with its_end_first(machine):
        management = Management(name, connection, keys)
    with guest_over(
        management,
        machine,
        archive=archive,
        now_ns=now_ns,
        captures=machine.spec.captures_socket,
    ) as found:
        yield found


@contextmanager
def booted(
    spec: MachineSpec, keys: RunKeys, *, now_ns: Callable[[], int], boot_timeout_s: float
) -> Iterator[tuple[Machine, Management]]:
    """Boot a machine, give it with an open ssh connection, and kill it at the end.

    Args:
        spec: What is booted.
        keys: The guest has its half from its boot.
        now_ns: Monotonic clock.
        boot_timeout_s: How long it may take to answer.

    Raises:
        MachineError: It did not boot or answer in time.
    """
    deadline_ns = now_ns() + int(boot_timeout_s * 1e9)
    machine = Machine.boot(spec)
    try:
        connection = wait_for_guest(
            spec.management_socket,
            check_alive=machine.check_alive,
            now_ns=now_ns,
            deadline_ns=deadline_ns,
            name=spec.name,
        )
        with its_end_first(machine):
            management = Management(spec.name, connection, keys)
        try:
            yield machine, management
        finally:
            management.close()
    finally:
        machine.kill()


@contextmanager
def guest_over(
    management: Management,
    machine: Powered,
    *,
    archive: bytes,
    now_ns: Callable[[], int],
    captures: Path | None = None,
) -> Iterator[Guest]:
    """Push the agent over an open ssh connection and give the machine; power it off at the end.

    Args:
        management: Closed at the end.
        machine: The machine at its other end.
        archive: The agent as a zipapp.
        now_ns: Monotonic clock.
        captures: See `Guest`.
    """
    try:
        with its_end_first(machine):
            management.put(archive, ARCHIVE_PATH)
            channel = management.channel(f"exec python3 {ARCHIVE_PATH} --owns-machine")
        agent = Agent(channel, machine=machine.name, check_alive=machine.check_alive, now_ns=now_ns)
        try:
            with beating(agent):
                yield Guest(machine, management, agent, captures=captures)
        finally:
            agent.close()
    finally:
        management.close()
