"""What QEMU pretends to be for the images of each architecture."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mptcp_appliance import plan
from mptcp_appliance.errors import ImageError
from mptcp_check.errors import PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One kind of computer."""

    program: str
    """Of QEMU's, on PATH."""
    package: str
    """Debian's, that has the program."""
    machine: str
    """QEMU's ``-M``."""
    emulated_cpu: str
    """QEMU's ``-cpu`` without help of this computer's processor; with it, it is ``host``."""
    machine_by: Mapping[str, str] = field(default_factory=dict[str, str])
    """``-M`` by accelerator, where one wants another."""

    def words(self, accelerator: str) -> list[str]:
        """Return QEMU's words for accelerator, machine and processor."""
        cpu = self.emulated_cpu if accelerator == "tcg" else "host"
        machine = self.machine_by.get(accelerator, self.machine)
        return ["-accel", accelerator, "-M", machine, "-cpu", cpu]


AMD64: Final = Hardware(
    program="qemu-system-x86_64",
    package="qemu-system-x86",
    # microvm has no timer that TCG can calibrate against and hangs in one boot of ten
    machine="q35",
    emulated_cpu="max",
)
ARM64: Final = Hardware(
    program="qemu-system-aarch64",
    package="qemu-system-arm",
    machine="virt",
    # pointer authentication by QEMU's own cipher instead of the architecture's: many times as fast
    emulated_cpu="max,pauth-impdef=on",
    # KVM has the interrupt controller of the processor and no other
    machine_by={"kvm": "virt,gic-version=host"},
)
HARDWARE: Final[Mapping[str, Hardware]] = {"amd64": AMD64, "arm64": ARM64}
"""By Debian's name of the architecture."""


def hardware(architecture: str) -> Hardware:
    """Return what runs images of an architecture.

    Raises:
        PreflightError: Nothing does.
    """
    found = HARDWARE.get(architecture)
    if found is None:
        raise PreflightError(
            f"no machine is known for images of the architecture {architecture!r}",
            hint=f"there are machines for: {', '.join(HARDWARE)}",
        )
    return found


def here() -> Hardware:
    """Return what runs the images of this computer's architecture, or of the commonest one."""
    try:
        return HARDWARE[plan.architecture(platform.machine())]
    except (ImageError, KeyError):
        return AMD64
