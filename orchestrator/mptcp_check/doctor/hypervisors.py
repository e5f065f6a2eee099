"""What runs the machines: QEMU, Vagrant with a provider, and the processor's help."""

import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import accelerator, hardware, image_accelerator, process, qemu
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.vagrant_folder import PLUGINS

TIMEOUT_S = 10.0
VAGRANT_TIMEOUT_S = 30.0
"""Ruby starts slowly."""
OLDEST_VAGRANT = (2, 3)
VAGRANT = "vagrant"
VAGRANT_ONLY = "for `--machine vagrant` only: "
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

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "libvirt": ("virsh", "--connect", "qemu:///system", "version"),
    "virtualbox": ("VBoxManage", "--version"),
    "qemu": ("qemu-img", "--version"),
}
"""How each provider's own program says that it works, in the order of `wishes.PROVIDERS`."""
PROVIDER_ADVICE: Mapping[str, str] = {
    "libvirt": "`sudo systemctl start libvirtd`, `sudo usermod -aG libvirt $USER`, "
    "then log in again",
    "virtualbox": "run `VBoxManage --version` by hand, or install VirtualBox again",
    "qemu": "run `qemu-img --version` by hand, or install QEMU again",
}


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
    if done.exit_code != 0:
        words = _first_line(process.plain(done.stderr.encode())).removeprefix("error: ")
        return Said(trouble=f"{argv[0]} ended with {done.exit_code}: {words or 'silent'}")
    return Said(text=_first_line(process.plain(done.stdout)))


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "").strip()[:200]


def hypervisors(question: Question) -> Iterator[Check]:
    """Give whether QEMU, and Vagrant with a provider, can run machines, and with what help."""
    providers = PROVIDERS if shutil.which(VAGRANT) else {}
    with ThreadPoolExecutor() as pool:  # one that hangs does not add to another that does
        vagrant = pool.submit(ask, [VAGRANT, "--version"], timeout_s=VAGRANT_TIMEOUT_S)
        plugins = pool.submit(ask_plugins) if providers else None
        own = pool.submit(ask, [hardware.here().program, "--version"])
        others = {name: pool.submit(ask, argv) for name, argv in providers.items()}
        said = {name: asking.result() for name, asking in others.items()}
    there = plugins.result() if plugins else frozenset()
    yield from judge_hypervisors(
        own.result(), vagrant.result(), {n: with_plugin(n, s, there) for n, s in said.items()}
    )
    version = own.result().text
    key = image_accelerator.host_key(hardware.here().program, version)
    known = accelerator.known(question.places.accelerators, key=key) if version else ()
    yield judge_acceleration(known[-1] if known else None, _processor())


def ask_plugins() -> frozenset[str]:
    """Return the names of the plugins that Vagrant has; none where it does not say."""
    try:
        done = process.run([VAGRANT, "plugin", "list"], timeout_s=VAGRANT_TIMEOUT_S)
    except (MptcpCheckError, OSError):
        return frozenset()
    return frozenset(re.findall(r"(?m)^(\S+) \(", process.plain(done.stdout)))


def with_plugin(provider: str, said: Said, plugins: Collection[str]) -> Said:
    """Return what became of asking a provider that may need a plugin of Vagrant's; PURE."""
    plugin = PLUGINS.get(provider)
    if plugin is None or plugin in plugins or said.trouble:
        return said
    return Said(trouble=f"the plugin {plugin} is not installed", installed=False)


def judge_hypervisors(
    said_qemu: Said, vagrant: Said, providers: Mapping[str, Said]
) -> Iterator[Check]:
    """Judge what runs machines: one of them is enough; PURE."""
    other = judge_vagrant(vagrant, providers)
    yield judge_qemu(said_qemu, vagrant_works=other.status is Status.PASS and vagrant.installed)
    yield other


def judge_qemu(said: Said, *, vagrant_works: bool) -> Check:
    """Judge QEMU's version; PURE."""
    ours = hardware.here()
    name, bad = "QEMU", Status.WARN if vagrant_works else Status.FAIL
    instead = "; without it, `run --machine vagrant`" if vagrant_works else ""
    if not said.installed:
        detail = f"{ours.program} is not installed"
        advice = f"install {ours.package} (Debian) or qemu (Homebrew)"
        return Check(name=name, status=bad, detail=detail, advice=advice + instead)
    trouble = said.trouble or qemu.version_trouble(said.text, program=ours.program)
    if trouble:
        oldest = ".".join(map(str, qemu.OLDEST_VERSION))
        advice = f"run `{ours.program} --version` by hand, and install QEMU {oldest} or newer"
        return Check(name=name, status=bad, detail=trouble, advice=advice + instead)
    version = qemu.version(said=said.text.encode()) or ()
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
            advice=f"{VAGRANT_ONLY}run `vagrant --version` by hand, or install Vagrant again",
        )
    found = re.search(r"(\d+)\.(\d+)", said.text)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if version < OLDEST_VAGRANT:
        return Check(
            name=name,
            status=Status.WARN,
            detail=f"{said.text} is too old"
            if found
            else f"{VAGRANT} does not say its version, but {said.text[:60]!r}",
            advice=f"{VAGRANT_ONLY}install Vagrant 2.3.4 or newer",
        )
    working = [p for p, answer in providers.items() if not answer.trouble]
    broken = {p: a.trouble for p, a in providers.items() if a.trouble and a.installed}
    detail = f"{said.text} with {', '.join(working)}" if working else said.text
    if broken:
        which, trouble = next(iter(broken.items()))
        instead = f"; or name another: --machine vagrant:{working[0]}" if working else ""
        return Check(
            name=name,
            status=Status.WARN,
            detail=f"{detail}; {which} does not work: {trouble}",
            advice=f"{VAGRANT_ONLY}{PROVIDER_ADVICE[which]}{instead}",
        )
    if not working:
        return Check(
            name=name,
            status=Status.WARN,
            detail=f"{detail}, and nothing that it could run machines with",
            advice=f"{VAGRANT_ONLY}install VirtualBox, or libvirt with the plugin "
            "vagrant-libvirt (docs/vagrant.md)",
        )
    return Check(name=name, status=Status.PASS, detail=detail)


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
        otherwise = NESTED_BROKEN if "hypervisor" in processor.flags else SLOWER
        return Check(name=name, status=Status.WARN, detail=detail, advice=advice or otherwise)
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
