"""One QEMU machine: its command line (pure) and its life (boot, end, kill)."""

import sys
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.errors import MachineError
from mptcp_check.machines import process
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.bridging.attachment import Attachment

OLDEST_VERSION = (7, 2)
"""`-netdev stream` came with QEMU 7.2."""

MANAGEMENT_PORT = "mgmt"
"""Name of the virtio-serial port that carries ssh; the image looks for it (appliance.md, 2.3)."""

CAPTURES_PORT = "captures"
"""Name of the one on which finished captures leave the machine; the agent looks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """All that decides one machine's command line."""

    name: str
    accelerator: Accelerator
    image_arguments: tuple[str, ...]
    """Kernel, initrd, command line and root file system: what depends on the image."""
    directory: Path
    """Private folder of this run: sockets, console, pid file."""
    links: tuple[Path, ...]
    """Unix sockets of the switch, one per network interface (eth0, eth1, …)."""
    attachments: tuple[Attachment, ...] = ()
    """Joins to this computer's networks: the interfaces after those of ``links``."""
    machine_index: int
    """Goes into the interfaces' addresses."""

    @property
    def management_socket(self) -> Path:
        """Where ssh is reached."""
        return self.directory / f"{self.name}.mgmt"

    @property
    def captures_socket(self) -> Path:
        """Where captures are read."""
        return self.directory / f"{self.name}.caps"

    @property
    def console(self) -> Path:
        """What the guest's kernel and init say."""
        return self.directory / f"{self.name}.console"

    @property
    def log(self) -> Path:
        """What QEMU itself says."""
        return self.directory / f"{self.name}.qemu.log"


def command(spec: MachineSpec, *, platform: str = sys.platform) -> list[str]:
    """Return QEMU's argument list.

    `-netdev stream` has no vnet header, so no offload can hide the wire's real packets.
    """
    argv = [
        spec.accelerator.hardware.program,
        *("-name", f"mptcp-check-{spec.name}"),
        *spec.accelerator.hardware.words(spec.accelerator.name),
        *("-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-pidfile", str(spec.directory / f"{spec.name}.pid")),
        *("-serial", f"file:{spec.console}"),
        *spec.image_arguments,
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=mgmt,path={spec.management_socket},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=mgmt,name={MANAGEMENT_PORT}"),
        *("-chardev", f"socket,id=captures,path={spec.captures_socket},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=captures,name={CAPTURES_PORT}"),
    ]
    if platform == "linux":
        # seccomp: a guest that breaks out of the emulation cannot start programs
        argv += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny"]
    for index, link in enumerate(spec.links):
        mac = f"52:54:00:6d:{spec.machine_index:02x}:{index:02x}"
        argv += [
            *("-netdev", f"stream,id=n{index},server=off,addr.type=unix,addr.path={link}"),
            *("-device", f"virtio-net-pci,netdev=n{index},mac={mac},romfile="),
        ]
    for index, attachment in enumerate(spec.attachments, len(spec.links)):
        argv += attachment.qemu_arguments(index)
    return argv


class Machine:
    """A running QEMU; use `boot` to make one."""

    def __init__(self, spec: MachineSpec, child: process.Child) -> None:
        self.spec = spec
        self.name = spec.name
        self._child = child

    @classmethod
    def boot(cls, spec: MachineSpec) -> "Machine":
        """Start QEMU; the guest boots on its own."""
        spec.console.touch(mode=0o600)
        given = [a.descriptor for a in spec.attachments if a.descriptor is not None]
        child = process.start(spec.name, command(spec), log=spec.log, descriptors=given)
        return cls(spec, child)

    def check_alive(self, patience_s: float = 0.0) -> None:
        """Raise when QEMU has ended.

        Args:
            patience_s: How long to wait for its end, when a connection to it just broke.

        Raises:
            MachineError: With what QEMU or the guest said last.
        """
        if patience_s:
            self._child.wait(patience_s)
        code = self._child.exit_code()
        if code is not None:
            last = process.last_words(self._child.log) or process.last_words(self.spec.console)
            raise MachineError(
                f"the {self.spec.name} machine ended (QEMU's exit code {code}): {last or 'silent'}",
                hint="`mptcp-check doctor` checks QEMU and the image",
            )

    def kill(self) -> None:
        """End QEMU now; harmless when it has ended."""
        self._child.kill()


def version_trouble(said: str, *, program: str) -> str:
    """Return why a QEMU cannot run machines, by the line it says of itself; empty if it can."""
    found = version(said=said.encode())
    oldest = ".".join(map(str, OLDEST_VERSION))
    if found is None:
        return f"{program} does not say its version, but {said[:100]!r}"
    if found < OLDEST_VERSION:
        return f"QEMU {found[0]}.{found[1]} is too old, machines need {oldest} or newer"
    return ""


def version(*, said: bytes) -> tuple[int, int] | None:
    """Return QEMU's version from the output of ``--version``, or none if it cannot be read."""
    words = said.decode(errors="replace").split()
    for word in words:
        numbers = word.split(".")
        if len(numbers) >= 2 and numbers[0].isdigit() and numbers[1].isdigit():  # noqa: PLR2004
            return int(numbers[0]), int(numbers[1])
    return None
