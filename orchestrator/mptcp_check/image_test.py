"""Accept an image by upstream's own selftests of Multipath TCP, run in a machine that boots it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mptcp_appliance import boot, selftests
from mptcp_appliance.image import Image
from mptcp_appliance.selftests import Check, Suite
from mptcp_check import clock, storing
from mptcp_check.errors import MachineError
from mptcp_check.machines import workspace
from mptcp_check.machines.guest import booted
from mptcp_check.machines.image_accelerator import image_accelerator, qemu_version
from mptcp_check.machines.management import Management, make_keys
from mptcp_check.machines.qemu import MachineSpec
from mptcp_check.settings import Places
from mptcp_check.watch import Watch

MEMORY_MIB = 1024
"""The suites write files of megabytes and hold a dozen namespaces."""

LOOK_S = 0.5
"""How long one wait for bytes lasts before the machine's life is checked again."""

GRACE_S = 60.0
"""How much longer the guest may take to end a suite that is overdue, before it counts as dead."""

MOST_BYTES = 8 << 20
"""Of what one suite writes; one that writes more has gone mad."""


def run(
    image: Image,
    *,
    places: Places,
    watch: Watch,
    boot_timeout_s: float,
    suites: Sequence[Suite] = selftests.SUITES,
) -> tuple[Check, ...]:
    """Boot the image ``selftest`` and run the suites in it, one after the other.

    Args:
        image: One that carries the selftests.
        places: Where things are kept.
        watch: Told each suite, and each line that it writes.
        boot_timeout_s: How long the machine may take to answer.
        suites: What is run.

    Returns:
        Every check in its order, those that were skipped too; a suite that did not end in
        time has one that failed and says so.

    Raises:
        MptcpCheckError: QEMU is missing, or the machine did not boot or died.
    """
    workspace.remove_remains()
    name = f"image-{os.urandom(5).hex()}"
    checks: list[Check] = []
    with (
        workspace.workspace(name) as scratch,
        storing.logs_kept(scratch, places.failures / name),
        _machine(image, scratch, places, watch, boot_timeout_s) as machine,
    ):
        for suite in suites:
            watch.step(f"Running the kernel's selftest {suite.name}")
            said = heard(
                machine.management.channel(suite.command),
                what=suite.name,
                on_line=watch.detail,
                check_alive=machine.check_alive,
                now_ns=clock.monotonic_ns,
                deadline_ns=clock.monotonic_ns() + int((suite.deadline_s + GRACE_S) * 1e9),
            )
            checks += selftests.parse(suite.name, said.text, exit_status=said.exit_status)
    return tuple(checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command in the guest wrote, and how it ended."""

    text: str
    exit_status: int


class Channel(Protocol):
    """What is needed of an ssh channel (`paramiko.Channel`)."""

    def settimeout(self, timeout: float) -> None:
        """Set how long `recv` waits."""

    def recv(self, nbytes: int) -> bytes:
        """Return some bytes; none at the end; raises TimeoutError."""

    def recv_exit_status(self) -> int:
        """Return the command's status, -1 if the connection broke."""


def heard(
    channel: Channel,
    *,
    what: str,
    on_line: Callable[[str], None],
    check_alive: Callable[[], None],
    now_ns: Callable[[], int],
    deadline_ns: int,
) -> Said:
    """Read what a command writes until it ends.

    Args:
        channel: On which it was started.
        what: Its name, for messages.
        on_line: Called with each line as it comes.
        check_alive: Raises when the machine has ended.
        now_ns: Monotonic clock.
        deadline_ns: When to give up, by that clock.

    Raises:
        MachineError: The machine ended or fell silent, or the command does not stop writing.
    """
    channel.settimeout(LOOK_S)
    octets = bytearray()
    told = 0
    while True:
        if now_ns() > deadline_ns or len(octets) > MOST_BYTES:
            raise MachineError(
                f"{what} did not end in the machine",
                hint="the computer may be overloaded; start the test again",
            )
        try:
            chunk = channel.recv(65536)
        except TimeoutError:
            check_alive()
            continue
        if not chunk:
            break
        octets += chunk
        *whole, _ = octets[told:].split(b"\n")
        for line in whole:
            told += len(line) + 1
            on_line(line.decode(errors="replace").rstrip())
    return Said(text=octets.decode(errors="replace"), exit_status=channel.recv_exit_status())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Booted:
    management: Management
    check_alive: Callable[[], None]


@contextmanager
def _machine(
    image: Image, scratch: Path, places: Places, watch: Watch, boot_timeout_s: float
) -> Iterator[_Booted]:
    """Boot the image without any network, give the way in, and end it."""
    keys = make_keys(scratch / "keys")
    spec = MachineSpec(
        name=selftests.IMAGE,
        accelerator=image_accelerator(
            image,
            version=qemu_version(image),
            record=places.accelerators,
            scratch=scratch,
            progress=watch.step,
        ),
        image_arguments=tuple(
            boot.qemu_arguments(image, memory_mib=MEMORY_MIB, keys_directory=keys.directory)
        ),
        directory=scratch,
        links=(),
        machine_index=0,
    )
    watch.step(f"Booting a machine ({spec.accelerator.name.upper()})")
    with booted(spec, keys, now_ns=clock.monotonic_ns, boot_timeout_s=boot_timeout_s) as (
        machine,
        management,
    ):
        yield _Booted(management=management, check_alive=machine.check_alive)
