from collections.abc import Mapping

import pytest

from mptcp_check.doctor import hypervisors
from mptcp_check.doctor.check import Status
from mptcp_check.doctor.hypervisors import Said
from mptcp_check.machines import wishes

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
