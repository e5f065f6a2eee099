"""What runs the machines: QEMU, Vagrant with a provider, and the processor's help."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import accelerator, process, qemu
from mptcp_check.machines.accelerator import Accelerator

TIMEOUT_S = 10.0
VAGRANT_TIMEOUT_S = 30.0
"""Ruby starts slowly."""
OLDEST_VAGRANT = (2, 3)
QEMU_ADVICE = "install qemu-system-x86 (Debian) or qemu (Homebrew)"
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

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "virtualbox": ("VBoxManage", "--version"),
    "libvirt": ("virsh", "--version"),
    "vmware_desktop": ("vmrun", "-v"),
    "parallels": ("prlctl", "--version"),
}
"""How each provider's own program says that it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What became of asking a program for its version."""

    text: str = ""
    """Its first line."""
    trouble: str = ""
    """Why there is none; empty when all is well."""
    installed: bool = True


def ask(argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Said:
    """Run a program for its version; whatever it does is an answer."""
    if shutil.which(argv[0]) is None:
        return Said(trouble="not installed", installed=False)
    try:
        done = process.run(argv, timeout_s=timeout_s)
    except (MptcpCheckError, OSError) as e:
        return Said(trouble=str(e))
    first = next(iter(done.stdout.decode(errors="replace").splitlines()), "").strip()
    if done.exit_code != 0:
        words = next(iter(done.stderr.strip().splitlines()), "")
        return Said(trouble=f"{argv[0]} ended with {done.exit_code}: {words[:200] or 'silent'}")
    return Said(text=first[:200])


def hypervisors(_question: Question) -> Iterator[Check]:
    """Give whether QEMU, and Vagrant with a provider, can run machines."""
    vagrant = ask(["vagrant", "--version"], timeout_s=VAGRANT_TIMEOUT_S)
    providers = {}
    if vagrant.installed:
        providers = {name: ask(argv) for name, argv in PROVIDERS.items()}
    yield from judge_hypervisors(ask([qemu.PROGRAM, "--version"]), vagrant, providers)


def judge_hypervisors(
    said_qemu: Said, vagrant: Said, providers: Mapping[str, Said]
) -> Iterator[Check]:
    """Judge what runs machines: one of them is enough; PURE."""
    other = judge_vagrant(vagrant, providers)
    yield judge_qemu(said_qemu, vagrant_works=other.status is Status.PASS and vagrant.installed)
    yield other


def judge_qemu(said: Said, *, vagrant_works: bool) -> Check:
    """Judge QEMU's version; PURE."""
    name, bad = "QEMU", Status.WARN if vagrant_works else Status.FAIL
    instead = "; without it, `run --machine vagrant`" if vagrant_works else ""
    if said.trouble:
        detail = f"{qemu.PROGRAM} is not installed" if not said.installed else said.trouble
        return Check(name=name, status=bad, detail=detail, advice=QEMU_ADVICE + instead)
    version = qemu.version(said=said.text.encode())
    if version is None or version < qemu.OLDEST_VERSION:
        oldest = ".".join(map(str, qemu.OLDEST_VERSION))
        return Check(
            name=name,
            status=bad,
            detail=f"{said.text!r} is too old, or no version"
            if said.text
            else f"{qemu.PROGRAM} says no version",
            advice=f"install QEMU {oldest} or newer{instead}",
        )
    return Check(name=name, status=Status.PASS, detail=".".join(map(str, version)))


def judge_vagrant(said: Said, providers: Mapping[str, Said]) -> Check:
    """Judge Vagrant and what it could drive; PURE."""
    name = "Vagrant"
    if not said.installed:
        detail = "not installed; needed for `--machine vagrant` only"
        return Check(name=name, status=Status.PASS, detail=detail)
    if said.trouble:
        return Check(
            name=name,
            status=Status.WARN,
            detail=said.trouble,
            advice="run `vagrant --version` by hand, or install Vagrant again",
        )
    found = re.search(r"(\d+)\.(\d+)", said.text)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if version < OLDEST_VAGRANT:
        return Check(
            name=name,
            status=Status.WARN,
            detail=f"{said.text[:60]!r} is too old, or no version",
            advice="install Vagrant 2.3.4 or newer",
        )
    working = [p for p, answer in providers.items() if not answer.trouble]
    broken = [f"{p}: {a.trouble}" for p, a in providers.items() if a.trouble and a.installed]
    if not working:
        return Check(
            name=name,
            status=Status.WARN,
            detail=f"{said.text}, but no provider works"
            + (f" ({'; '.join(broken)})" if broken else ""),
            advice="install VirtualBox, or libvirt with the plugin vagrant-libvirt",
        )
    return Check(name=name, status=Status.PASS, detail=f"{said.text} with {', '.join(working)}")


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


def acceleration(question: Question) -> Iterator[Check]:
    """Give whether hardware helps: what boots here told, or what the system offers."""
    known = accelerator.known(question.places.accelerators)
    yield judge_acceleration(known[-1] if known else None, _processor())


def judge_acceleration(last: Accelerator | None, processor: Processor) -> Check:
    """Judge the last boot's answer, and without one what the system offers; PURE."""
    name = "Acceleration"
    if last is not None and last.name != "tcg":
        return Check(
            name=name, status=Status.PASS, detail=f"{last.name.upper()} has booted a guest"
        )
    offer, advice = _offer(processor)
    if last is not None:
        detail = f"software emulation: {last.reason}"
        return Check(name=name, status=Status.WARN, detail=detail, advice=advice or SLOWER)
    if advice:
        return Check(name=name, status=Status.WARN, detail=offer, advice=advice)
    return Check(name=name, status=Status.PASS, detail=f"{offer}; the first run tries it")


def _offer(processor: Processor) -> tuple[str, str]:
    """Return what there is, and what to do when that is less than there could be; PURE."""
    mac, framework = processor.platform == "darwin", processor.hypervisor_framework
    offers = (
        (mac and framework, "macOS offers its Hypervisor framework", ""),
        (mac, "this Mac offers no Hypervisor framework", SLOWER),
        (processor.kvm_usable, "KVM is there", ""),
        (processor.kvm_there, "/dev/kvm is there and not yours to open", GROUP_ADVICE),
        (processor.flags & {"vmx", "svm"}, "the processor helps, /dev/kvm is missing", KVM_ADVICE),
        ("hypervisor" in processor.flags, "this computer is a virtual machine", NESTED_ADVICE),
        (True, "the processor shows no help for virtual machines", FIRMWARE_ADVICE),
    )
    return next((detail, advice) for holds, detail, advice in offers if holds)


def _processor() -> Processor:
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
