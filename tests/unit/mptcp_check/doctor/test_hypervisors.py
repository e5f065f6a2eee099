import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from mptcp_check.doctor import hypervisors
from mptcp_check.doctor.check import Status
from mptcp_check.doctor.hypervisors import Processor, Said, cpu_flags, judge_acceleration
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


def test_a_provider_that_is_broken_is_named() -> None:
    broken = {"virtualbox": Said(trouble="VBoxManage ended with 1: the kernel module")}
    assert "virtualbox: VBoxManage ended with 1" in judged(QEMU, VAGRANT, broken)["Vagrant"][1]


def tool(folder: Path, script: str) -> str:
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 7.0; echo more", "7.0"),
        ("printf '\\377\\376garbage'", "\ufffd\ufffdgarbage"),
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
