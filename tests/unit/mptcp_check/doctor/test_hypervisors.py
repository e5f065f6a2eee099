import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from mptcp_check.doctor import hypervisors
from mptcp_check.doctor.check import Status
from mptcp_check.doctor.hypervisors import Processor, Said, cpu_flags, judge_acceleration
from mptcp_check.machines import wishes
from mptcp_check.machines.accelerator import Accelerator

QEMU = Said(text="QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)")
MISSING = Said(trouble="not installed", installed=False)
VAGRANT = Said(text="Vagrant 2.3.4")
VIRTUALBOX = {"virtualbox": Said(text="7.0.20r163906"), "libvirt": MISSING}


def judged(
    qemu: Said, vagrant: Said, providers: Mapping[str, Said]
) -> dict[str, tuple[Status, str]]:
    found = hypervisors.judge_hypervisors(qemu, vagrant, providers)
    return {c.name: (c.status, f"{c.detail} / {c.advice}") for c in found}


@pytest.mark.parametrize(
    ("qemu", "vagrant", "providers", "expected"),
    [
        (QEMU, MISSING, {}, (Status.PASS, Status.PASS)),
        (MISSING, MISSING, {}, (Status.FAIL, Status.PASS)),
        (MISSING, VAGRANT, VIRTUALBOX, (Status.WARN, Status.PASS)),
        (MISSING, VAGRANT, {"virtualbox": MISSING}, (Status.FAIL, Status.WARN)),
        (Said(text="QEMU emulator version 6.2.0"), MISSING, {}, (Status.FAIL, Status.PASS)),
        (Said(text="Segmentation \x1b[31mfault"), MISSING, {}, (Status.FAIL, Status.PASS)),
        (Said(), MISSING, {}, (Status.FAIL, Status.PASS)),
        (Said(text="8000 bytes that are no text"), MISSING, {}, (Status.FAIL, Status.PASS)),
        (Said(trouble="qemu did not end within 10 s"), MISSING, {}, (Status.FAIL, Status.PASS)),
        (QEMU, Said(trouble="vagrant ended with 1"), {}, (Status.PASS, Status.WARN)),
        (QEMU, Said(text="%$#!"), VIRTUALBOX, (Status.PASS, Status.WARN)),
        (QEMU, Said(text="Vagrant 2.2.19"), VIRTUALBOX, (Status.PASS, Status.WARN)),
    ],
)
def test_one_working_hypervisor_is_enough(
    qemu: Said, vagrant: Said, providers: Mapping[str, Said], expected: tuple[Status, Status]
) -> None:
    found = judged(qemu, vagrant, providers)
    assert (found["QEMU"][0], found["Vagrant"][0]) == expected


def test_what_is_missing_is_told_with_what_to_install() -> None:
    found = judged(MISSING, MISSING, {})
    assert "qemu-system-x86_64 is not installed / install qemu-system-x86" in found["QEMU"][1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("QEMU emulator version 6.2.0", "QEMU 6.2 is too old, machines need 7.2 or newer"),
        ("%$#!", "does not say its version, but '%$#!'"),
    ],
)
def test_a_qemu_that_will_not_do_is_told_with_what_it_said(text: str, words: str) -> None:
    said = judged(Said(text=text), MISSING, {})["QEMU"][1]
    assert words in said
    assert "run `qemu-system-x86_64 --version` by hand" in said


def test_a_provider_that_is_broken_is_named_with_what_to_do() -> None:
    broken = {"libvirt": Said(trouble="virsh ended with 1: failed to connect")}
    alone = judged(QEMU, VAGRANT, broken)["Vagrant"]
    assert alone[0] is Status.WARN
    assert "libvirt does not work: virsh ended with 1" in alone[1]
    assert "systemctl start libvirtd" in alone[1]
    beside = judged(QEMU, VAGRANT, broken | VIRTUALBOX | broken)["Vagrant"]
    assert "--machine vagrant:virtualbox" in beside[1]


def test_only_providers_that_this_program_drives_count() -> None:
    assert tuple(hypervisors.PROVIDERS) == wishes.PROVIDERS
    assert set(hypervisors.PROVIDERS) == set(hypervisors.PROVIDER_ADVICE)


def test_a_provider_without_its_plugin_cannot_be_used() -> None:
    there = Said(text="7.2")
    assert hypervisors.with_plugin("qemu", there, {"vagrant-libvirt"}).trouble
    assert hypervisors.with_plugin("libvirt", there, {"vagrant-libvirt"}) == there
    assert hypervisors.with_plugin("virtualbox", there, ()) == there
    assert hypervisors.with_plugin("libvirt", MISSING, ()) == MISSING


def tool(folder: Path, script: str) -> str:
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 7.0; echo more", "7.0"),
        ("printf '\\377\\033[2Jgarbage'", "[2Jgarbage"),
        ("head -c 9 /dev/zero", "9 bytes that are no text"),
        ("true", ""),
    ],
)
def test_a_programs_first_line_is_its_version(tmp_path: Path, script: str, said: str) -> None:
    assert hypervisors.ask([tool(tmp_path, script)]) == Said(text=said)


def test_a_program_that_fails_or_hangs_is_told_and_not_waited_for(tmp_path: Path) -> None:
    failed = hypervisors.ask([tool(tmp_path, "echo no module >&2; exit 3")])
    assert failed.trouble.endswith("ended with 3: no module")
    hung = hypervisors.ask([tool(tmp_path, "exec sleep 1000")], timeout_s=0.2)
    assert "did not end within 0.2 s" in hung.trouble
    assert hypervisors.ask(["mptcp-check-no-such-program"]) == MISSING


KVM = Accelerator(name="kvm", reason="a guest booted with it in time")
TCG = Accelerator(name="tcg", reason="KVM cannot be used: permission denied")


@pytest.mark.parametrize(
    ("last", "processor", "status", "words"),
    [
        (KVM, Processor(platform="linux"), Status.PASS, "KVM has booted a guest"),
        (TCG, Processor(platform="linux", kvm_usable=True), Status.WARN, "nothing to do"),
        (TCG, Processor(platform="linux", kvm_there=True), Status.WARN, "usermod -aG kvm"),
        (
            TCG,
            Processor(platform="linux", kvm_usable=True, flags=frozenset({"hypervisor"})),
            Status.WARN,
            "its nested virtualization does not work",
        ),
        (None, Processor(platform="linux", kvm_usable=True), Status.PASS, "the first run tries"),
        (None, Processor(platform="linux", kvm_there=True), Status.WARN, "not yours to open"),
        (
            None,
            Processor(platform="linux", flags=frozenset({"vmx", "hypervisor"})),
            Status.WARN,
            "modprobe",
        ),
        (
            None,
            Processor(platform="linux", flags=frozenset({"hypervisor"})),
            Status.WARN,
            "nested virtualization",
        ),
        (None, Processor(platform="linux"), Status.WARN, "firmware"),
        (
            None,
            Processor(platform="darwin", hypervisor_framework=True),
            Status.PASS,
            "Hypervisor framework",
        ),
        (None, Processor(platform="darwin"), Status.WARN, "no Hypervisor framework"),
    ],
)
def test_help_by_the_processor_is_told_from_what_booted_and_else_from_what_is_offered(
    last: Accelerator | None, processor: Processor, status: Status, words: str
) -> None:
    check = judge_acceleration(last, processor)
    assert check.status is status
    assert words in f"{check.detail} / {check.advice}"


def test_the_flags_of_a_processor_are_read() -> None:
    cpuinfo = "processor\t: 0\nflags\t\t: fpu vmx sse4_2\nbugs\t: none\n"
    assert cpu_flags(cpuinfo) == {"fpu", "vmx", "sse4_2"}
    assert cpu_flags("Features : fp asimd\n") == frozenset()
