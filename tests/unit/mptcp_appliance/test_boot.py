import dataclasses
from itertools import pairwise
from pathlib import Path

from mptcp_appliance import boot
from mptcp_appliance.image import Image

IMAGE = Image(
    parts={},
    directory=Path("/c/i"),
    kernel=Path("/c/i/kernel"),
    initrd=Path("/c/i/initrd.img"),
    rootfs=Path("/c/i/rootfs.squashfs"),
    digest="d",
    command_line="console=ttyS0 quiet",
    manifest=Path("/c/i/manifest.json"),
)


def after(arguments: list[str], option: str) -> list[str]:
    return [b for a, b in pairwise(arguments) if a == option]


def test_a_machine_gets_kernel_root_and_the_keys_of_its_run() -> None:
    arguments = boot.qemu_arguments(IMAGE, memory_mib=384, keys_directory=Path("/k"))

    assert after(arguments, "-m") == ["384"]
    assert after(arguments, "-kernel") == ["/c/i/kernel"]
    assert after(arguments, "-initrd") == ["/c/i/initrd.img"]
    assert after(arguments, "-append") == ["console=ttyS0 quiet"]
    assert after(arguments, "-fw_cfg") == [
        "name=opt/mptcp-check/authorized_keys,file=/k/authorized_keys",
        "name=opt/mptcp-check/ssh_host_ed25519_key,file=/k/ssh_host_ed25519_key",
    ]
    assert after(arguments, "-drive") == [
        "if=none,id=root,format=raw,readonly=on,file=/c/i/rootfs.squashfs"
    ]


def test_a_kernel_that_finds_its_root_gets_no_initramfs_but_for_the_probe() -> None:
    finds = dataclasses.replace(IMAGE, command_line="quiet root=/dev/vda ro")

    arguments = boot.qemu_arguments(finds, memory_mib=384, keys_directory=Path("/k"))

    assert "-initrd" not in arguments
    assert after(arguments, "-append") == ["quiet root=/dev/vda ro"]
    assert after(boot.boot_probe_arguments(finds), "-initrd") == ["/c/i/initrd.img"]


def test_a_boot_probe_needs_neither_disk_nor_keys() -> None:
    arguments = boot.boot_probe_arguments(IMAGE)

    assert after(arguments, "-append") == ["console=ttyS0 quiet mptcp_check.boot_probe=1"]
    assert "-drive" not in arguments
    assert "-fw_cfg" not in arguments


def test_a_comma_in_a_path_does_not_start_another_option() -> None:
    odd = dataclasses.replace(IMAGE, rootfs=Path("/a,b/r"))

    arguments = boot.qemu_arguments(odd, memory_mib=1, keys_directory=Path("/k,l"))

    assert after(arguments, "-drive")[0].endswith("file=/a,,b/r")
    assert after(arguments, "-fw_cfg")[0].endswith("file=/k,,l/authorized_keys")
