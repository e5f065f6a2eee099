import platform
from pathlib import Path

import pytest

from mptcp_appliance import cache
from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import hardware, process, qemu
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.qemu import Machine, MachineSpec


def spec(directory: Path, accelerator: str = "tcg", architecture: str = "amd64") -> MachineSpec:
    return MachineSpec(
        name="probe",
        accelerator=Accelerator(
            name=accelerator, reason="", hardware=hardware.hardware(architecture)
        ),
        image_arguments=("-kernel", "k"),
        directory=directory,
        links=(directory / "link0", directory / "link1"),
        machine_index=1,
    )


def after(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_each_link_is_a_network_card_with_an_address_of_its_own(tmp_path: Path) -> None:
    argv = qemu.command(spec(tmp_path))

    assert after(argv, "-netdev") == [
        f"stream,id=n{i},server=off,addr.type=unix,addr.path={tmp_path}/link{i}" for i in (0, 1)
    ]
    cards = [d for d in after(argv, "-device") if d.startswith("virtio-net-pci")]
    assert [c.split("mac=")[1].split(",")[0] for c in cards] == [
        "52:54:00:6d:01:00",
        "52:54:00:6d:01:01",
    ]


@pytest.mark.parametrize(
    ("accelerator", "architecture", "words"),
    [
        ("tcg", "amd64", ("qemu-system-x86_64", "q35", "max")),
        ("kvm", "amd64", ("qemu-system-x86_64", "q35", "host")),
        ("hvf", "amd64", ("qemu-system-x86_64", "q35", "host")),
        ("tcg", "arm64", ("qemu-system-aarch64", "virt", "max,pauth-impdef=on")),
        ("kvm", "arm64", ("qemu-system-aarch64", "virt,gic-version=host", "host")),
        ("hvf", "arm64", ("qemu-system-aarch64", "virt", "host")),
    ],
)
def test_it_is_a_computer_of_the_images_architecture(
    tmp_path: Path, accelerator: str, architecture: str, words: tuple[str, str, str]
) -> None:
    argv = qemu.command(spec(tmp_path, accelerator, architecture))

    assert (argv[0], *after(argv, "-M"), *after(argv, "-cpu")) == words
    assert after(argv, "-accel") == [accelerator]


@pytest.mark.parametrize(
    ("processor", "program"),
    [
        ("x86_64", "qemu-system-x86_64"),
        ("arm64", "qemu-system-aarch64"),
        ("aarch64", "qemu-system-aarch64"),
        ("riscv64", "qemu-system-x86_64"),
    ],
)
def test_this_computers_qemu_is_its_processors(
    monkeypatch: pytest.MonkeyPatch, processor: str, program: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: processor)
    assert hardware.here().program == program


def test_every_architecture_that_images_have_has_a_machine() -> None:
    assert set(hardware.HARDWARE) == set(cache.ARCHITECTURES)
    with pytest.raises(PreflightError, match="riscv64"):
        hardware.hardware("riscv64")


def test_no_network_of_the_host_and_no_default_device_is_in_the_machine(tmp_path: Path) -> None:
    argv = qemu.command(spec(tmp_path))

    assert "-nodefaults" in argv
    assert all(n.startswith("stream,") and "unix" in n for n in after(argv, "-netdev"))


def test_the_sandbox_is_on_where_there_is_one(tmp_path: Path) -> None:
    assert after(qemu.command(spec(tmp_path), platform="linux"), "-sandbox")
    assert not after(qemu.command(spec(tmp_path), platform="darwin"), "-sandbox")


def test_a_dead_machine_is_told_with_what_it_said_last(tmp_path: Path) -> None:
    argv = ["sh", "-c", "echo could not open the disk; exit 1"]
    child = process.start("probe", argv, log=tmp_path / "log")
    assert child.wait(120)

    machine = Machine(spec(tmp_path), child)
    with pytest.raises(MachineError, match=r"probe machine ended .*could not open the disk"):
        machine.check_alive()
    machine.kill()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        (b"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n", (7, 2)),
        (b"QEMU emulator version 10.1.0", (10, 1)),
        (b"command not found", None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_the_version_is_read_from_what_qemu_says(
    said: bytes, version: tuple[int, int] | None
) -> None:
    assert qemu.version(said=said) == version
