from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mptcp_check.machines import accelerator
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.hardware import AMD64, ARM64, Hardware

# Programs that behave as QEMU was seen to behave; the console's path is the word after -serial.
BOOTS = """
while [ "$1" != -serial ]; do shift; done
echo "mptcp-check: boot ok" > "${2#file:}"
"""
SAYS_WORDS = 'echo "$*" > "${0%/*}/words"'
DIES = "echo 'qemu: error: failed to set MSR 0x10a' >&2; exit 1"
HANGS = "exec sleep 60"
SILENT = "exit 1"


def find(
    tmp_path: Path,
    script: str,
    candidates: Sequence[str] = ("kvm",),
    key: str = "key",
    machine: Hardware = AMD64,
) -> tuple[Accelerator, list[str]]:
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!/bin/bash\n{script}\n")
    qemu.chmod(0o755)
    said: list[str] = []
    hardware = replace(machine, program=str(qemu))
    found = accelerator.find(
        hardware=hardware,
        boot_arguments=["-kernel", "k"],
        key=key,
        record=tmp_path / "record.json",
        scratch=tmp_path,
        progress=said.append,
        candidates=candidates,
        deadline_s=3,
    )
    return found, said


def test_hardware_that_boots_a_guest_is_used(tmp_path: Path) -> None:
    found, said = find(tmp_path, BOOTS)

    assert found == Accelerator(
        name="kvm", reason="a guest booted with it in time", hardware=found.hardware
    )
    assert said == ["Trying whether KVM can run a guest here (at most 3 s)"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (DIES, "KVM cannot be used: QEMU ended with 'qemu: error: failed to set MSR 0x10a'"),
        (HANGS, "KVM cannot be used: a guest did not boot within 3 s"),
        (SILENT, "KVM cannot be used: QEMU ended without a word"),
    ],
)
def test_hardware_that_only_looks_usable_is_not(tmp_path: Path, script: str, reason: str) -> None:
    found, _ = find(tmp_path, script)

    assert (found.name, found.reason) == ("tcg", reason)


def test_the_trial_is_of_the_images_architecture(tmp_path: Path) -> None:
    found, _ = find(tmp_path, SAYS_WORDS + BOOTS, machine=ARM64)

    assert (tmp_path / "words").read_text().split()[:6] == [
        *("-accel", "kvm", "-M", "virt,gic-version=host", "-cpu", "host")
    ]
    assert replace(found.hardware, program="") == replace(ARM64, program="")


def test_the_answer_is_kept_and_not_asked_again(tmp_path: Path) -> None:
    first, _ = find(tmp_path, DIES)
    again, said = find(tmp_path, BOOTS)

    assert again == first
    assert said == []
    (known,) = accelerator.known(tmp_path / "record.json", key="ke")
    assert (known.name, known.reason) == (first.name, first.reason)
    assert accelerator.known(tmp_path / "record.json", key="another QEMU") == ()


def test_another_key_asks_again(tmp_path: Path) -> None:
    find(tmp_path, DIES)
    found, _ = find(tmp_path, BOOTS, key="after an update")

    assert found.name == "kvm"


@pytest.mark.parametrize("content", ["", "[]", '{"key": 1}', '{"key": {"name": "kvm"}}'])
def test_a_damaged_record_costs_a_trial_and_nothing_else(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    found, said = find(tmp_path, BOOTS)

    assert found.name == "kvm"
    assert len(said) == 1


def test_without_hardware_to_try_there_is_no_trial(tmp_path: Path) -> None:
    found, said = find(tmp_path, BOOTS, candidates=())

    assert (found.name, found.reason) == ("tcg", "no hardware help here")
    assert said == []
