"""What runs the machines: QEMU, Vagrant with a provider, and the processor's help."""

import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from mptcp_check.doctor import acceleration
from mptcp_check.doctor.asking import Said, ask
from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import accelerator, hardware, image_accelerator, process, qemu
from mptcp_check.machines.vagrant_home import PLUGINS

VAGRANT_TIMEOUT_S = 30.0
"""Ruby starts slowly."""
OLDEST_VAGRANT = (2, 3)
VAGRANT = "vagrant"
VAGRANT_ONLY = "for `--machine vagrant` only: "

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
    yield acceleration.judge(known[-1] if known else None, acceleration.processor())


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
