"""The processor's help for virtual machines: what booted here told, or what the system offers."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.doctor.asking import ask
from mptcp_check.doctor.check import Check, Status
from mptcp_check.machines.accelerator import Accelerator

KVM = Path("/dev/kvm")
NESTED_ADVICE = (
    "switch on nested virtualization where that machine is hosted (VirtualBox: System, Processor, "
    "Nested VT-x/AMD-V; VMware: Virtualize Intel VT-x; libvirt: cpu mode host-passthrough); "
    "without it machines are emulated, some seconds slower"
)
GROUP_ADVICE = "`sudo usermod -aG kvm $USER`, then log in again"
KVM_ADVICE = "`sudo modprobe kvm_intel` or `kvm_amd`, or switch virtualization on in the firmware"
FIRMWARE_ADVICE = (
    "switch virtualization on in the firmware (VT-x, AMD-V); without it machines are emulated"
)
SLOWER = "nothing to do: it works, some seconds slower"
NESTED_BROKEN = (
    "nothing to do: this computer is a virtual machine itself and its nested virtualization does "
    "not work, so machines are emulated, some seconds slower"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What the processor and the system offer for virtual machines."""

    platform: str
    flags: frozenset[str] = frozenset()
    """Of /proc/cpuinfo."""
    kvm_there: bool = False
    kvm_usable: bool = False
    """This user may open it."""
    hypervisor_framework: bool = False
    """macOS: kern.hv_support."""


def judge(last: Accelerator | None, found: Processor) -> Check:
    """Judge the last boot's answer, and without one what the system offers; PURE."""
    name = "Acceleration"
    if last is not None and last.name != "tcg":
        return Check(
            name=name, status=Status.PASS, detail=f"{last.name.upper()} has booted a guest"
        )
    offer, advice = _offer(found)
    if last is not None:
        detail = f"software emulation: {last.reason}"
        otherwise = NESTED_BROKEN if "hypervisor" in found.flags else SLOWER
        return Check(name=name, status=Status.WARN, detail=detail, advice=advice or otherwise)
    if advice:
        return Check(name=name, status=Status.WARN, detail=offer, advice=advice)
    return Check(name=name, status=Status.PASS, detail=f"{offer}; the first run tries it")


def _offer(found: Processor) -> tuple[str, str]:
    """Return what there is, and what to do when that is less than there could be; PURE."""
    mac, framework = found.platform == "darwin", found.hypervisor_framework
    offers = (
        (mac and framework, "macOS offers its Hypervisor framework", ""),
        (mac, "this Mac offers no Hypervisor framework", SLOWER),
        (found.kvm_usable, "KVM is there", ""),
        (found.kvm_there, "/dev/kvm is there and not yours to open", GROUP_ADVICE),
        (found.flags & {"vmx", "svm"}, "the processor helps, /dev/kvm is missing", KVM_ADVICE),
        ("hypervisor" in found.flags, "this computer is a virtual machine", NESTED_ADVICE),
        (not found.flags, "there is no /dev/kvm", SLOWER),  # ARM has no such flags
        (True, "the processor shows no help for virtual machines", FIRMWARE_ADVICE),
    )
    return next((detail, advice) for holds, detail, advice in offers if holds)


def processor() -> Processor:
    """Look at this computer."""
    return Processor(
        platform=sys.platform,
        flags=cpu_flags(_read(Path("/proc/cpuinfo"))),
        kvm_there=KVM.exists(),
        kvm_usable=os.access(KVM, os.R_OK | os.W_OK),
        hypervisor_framework=sys.platform == "darwin"
        and ask(["sysctl", "-n", "kern.hv_support"]).text == "1",
    )


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Return the flags of the first processor in /proc/cpuinfo; PURE."""
    found = re.search(r"(?m)^flags\s*:(.*)$", cpuinfo)
    return frozenset(found.group(1).split()) if found else frozenset()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
