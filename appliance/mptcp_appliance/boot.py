"""What QEMU must be told about the inside of an image; nothing of networks or accelerators."""

from pathlib import Path

from mptcp_appliance.image import Image

KEYS = ("authorized_keys", "ssh_host_ed25519_key")
"""Files that the guest takes for this run: who may log in, and as which host it answers."""

MANAGEMENT_PORT = "mgmt"
"""Name of the virtio-serial port on which the guest serves ssh."""

BOOT_OK = "mptcp-check: boot ok"
"""What a boot probe writes to the serial console before it powers off."""


def qemu_arguments(image: Image, *, memory_mib: int, keys_directory: Path) -> list[str]:
    """Return QEMU's arguments for memory, kernel, root disk, randomness and the run's keys.

    The machine type, accelerator, consoles, network devices and the virtio-serial port
    `MANAGEMENT_PORT` are the caller's.

    Args:
        image: What is booted.
        memory_mib: Memory of the guest; everything that it writes lies there too.
        keys_directory: Holds the files named by `KEYS`.
    """
    keys = [
        argument
        for name in KEYS
        for argument in (
            "-fw_cfg",
            f"name=opt/mptcp-check/{name},file={escaped(keys_directory / name)}",
        )
    ]
    return [
        *_base(image, memory_mib=memory_mib),
        *([] if _finds_root(image) else _initramfs(image)),
        *("-append", image.command_line),
        *keys,
        *("-drive", f"if=none,id=root,format=raw,readonly=on,file={escaped(image.rootfs)}"),
        *("-device", "virtio-blk-pci,drive=root"),
        *("-device", "virtio-rng-pci"),
    ]


def boot_probe_arguments(image: Image, *, memory_mib: int = 256) -> list[str]:
    """Return QEMU's arguments for a boot that only says `BOOT_OK` and powers off.

    It finds out whether an accelerator really runs this kernel; it needs no disk and no keys.
    """
    return [
        *_base(image, memory_mib=memory_mib),
        *_initramfs(image),
        *("-append", f"{image.command_line} mptcp_check.boot_probe=1"),
    ]


def _base(image: Image, *, memory_mib: int) -> list[str]:
    return [*("-m", str(memory_mib)), *("-kernel", str(image.kernel))]


def _initramfs(image: Image) -> list[str]:
    return ["-initrd", str(image.initrd)]


def _finds_root(image: Image) -> bool:
    """Return whether the kernel mounts its root by itself: 0.1 s sooner under emulation."""
    return any(word.startswith("root=") for word in image.command_line.split())


def escaped(path: Path) -> str:
    """Return a path as a value of a QEMU option, where a comma must be doubled."""
    return str(path).replace(",", ",,")
