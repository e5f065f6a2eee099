"""The accelerator that boots an image here: `accelerator.find`, asked about one image and QEMU."""

import platform
from collections.abc import Callable
from pathlib import Path

from mptcp_appliance import boot
from mptcp_appliance.image import Image
from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import accelerator, process, qemu
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.hardware import hardware

TIMEOUT_S = 10.0


def qemu_version(image: Image) -> str:
    """Return the first line of what the QEMU for an image says of itself.

    Raises:
        PreflightError: There is no QEMU, it does not end, or cannot run machines of ours.
    """
    program = hardware(image.architecture).program
    done = process.run([program, "--version"], timeout_s=TIMEOUT_S)
    said = process.plain(done.stdout) or process.plain(done.stderr.encode())
    first = next(iter(said.splitlines()), "")
    trouble = qemu.version_trouble(first, program=program)
    if trouble:
        raise PreflightError(trouble, hint="`mptcp-check doctor` says what to do about QEMU")
    return first


def host_key(program: str, version: str) -> str:
    """Return how the keys of all answers begin that concern a QEMU and this host kernel."""
    return f"{program}; {version}; {platform.platform()}; "


def image_accelerator(
    image: Image, *, version: str, record: Path, scratch: Path, progress: Callable[[str], None]
) -> Accelerator:
    """Return the fastest accelerator that boots an image with this QEMU on this host kernel.

    Args:
        image: Verified: the trial runs its kernel.
        version: From `qemu_version`.
        record: See `accelerator.find`, as the others.
        scratch: The same.
        progress: The same.

    Raises:
        MachineError: The record cannot be written.
    """
    machine = hardware(image.architecture)
    try:
        return accelerator.find(
            hardware=machine,
            boot_arguments=boot.boot_probe_arguments(image),
            key=f"{host_key(machine.program, version)}{image.digest}",
            record=record,
            scratch=scratch,
            progress=progress,
        )
    except OSError as e:
        raise MachineError(f"{record} cannot be written: {e.strerror}") from None
