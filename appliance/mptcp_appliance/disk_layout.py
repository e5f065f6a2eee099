"""What lies where on a disk of the appliance, as values and bytes. No I/O.

An MBR disk with two partitions: a FAT file system from which BIOS (syslinux) and UEFI (the kernel
itself, in the file that firmware looks for on every disk) start, and the root file system. The
kernel finds the root by the disk's own number, so it does not matter which controller the disk
hangs on.
"""

import struct
from dataclasses import dataclass

from mptcp_appliance.errors import ImageError

MIB = 1 << 20
SECTOR_BYTES = 512

DISK_ID = 0x4D505443
"""``MPTC``: the number in the MBR; partition 2 is PARTUUID=4d505443-02, and the kernel's own
built-in words (``kernel-config/``) name it as well."""

BOOT_CODE_BYTES = 440
"""Room for code in front of the disk's number (UEFI specification 2.10, table 5.1)."""

_BOOT_START_BYTES = MIB
BOOT_BYTES = 32 * MIB
"""The kernel lies in it twice, once for each kind of firmware; FAT16 wants 16 MiB at least."""

_FAT16_LBA = 0x0E
_LINUX = 0x83
_ACTIVE = 0x80

LABEL = "MPTCPBOOT"

_EFI_NAMES = {"amd64": "BOOTX64.EFI", "arm64": "BOOTAA64.EFI"}
"""What firmware starts from a disk nobody told it about (UEFI specification 2.10, 3.5.1.1)."""

_BIOS_ARCHITECTURE = "amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the parts of a disk lie."""

    boot_start_bytes: int
    boot_bytes: int
    root_start_bytes: int
    root_bytes: int
    """Of the partition: the root file system and what is missing to a whole MiB."""
    disk_bytes: int


def layout(*, root_bytes: int) -> Layout:
    """Return the layout for a root file system of that size."""
    root_start_bytes = _BOOT_START_BYTES + BOOT_BYTES
    partition_bytes = -(-root_bytes // MIB) * MIB
    return Layout(
        boot_start_bytes=_BOOT_START_BYTES,
        boot_bytes=BOOT_BYTES,
        root_start_bytes=root_start_bytes,
        root_bytes=partition_bytes,
        # one more: some hypervisors round a disk down to whole cylinders
        disk_bytes=root_start_bytes + partition_bytes + MIB,
    )


def master_boot_record(found: Layout, *, boot_code: bytes) -> bytes:
    """Return the disk's first sector.

    Args:
        found: Where the partitions lie.
        boot_code: Starts the active partition on a BIOS; empty where there is none.

    Raises:
        ValueError: The code has no room.
    """
    if len(boot_code) > BOOT_CODE_BYTES:
        raise ValueError(f"boot code of {len(boot_code)} bytes, room is for {BOOT_CODE_BYTES}")
    table = _partition(found.boot_start_bytes, found.boot_bytes, kind=_FAT16_LBA, status=_ACTIVE)
    table += _partition(found.root_start_bytes, found.root_bytes, kind=_LINUX, status=0)
    return (
        boot_code.ljust(BOOT_CODE_BYTES, b"\0")
        + struct.pack("<IH", DISK_ID, 0)
        + table.ljust(64, b"\0")
        + b"\x55\xaa"
    )


def _partition(start_bytes: int, size_bytes: int, *, kind: int, status: int) -> bytes:
    # addresses in cylinders say "too far to say": everything that reads them reads sectors too
    nowhere = b"\xfe\xff\xff"
    sectors = struct.pack("<II", start_bytes // SECTOR_BYTES, size_bytes // SECTOR_BYTES)
    return bytes([status]) + nowhere + bytes([kind]) + nowhere + sectors


def efi_name(architecture: str) -> str:
    """Return the name of the file that UEFI firmware starts.

    Raises:
        ImageError: No disk is made for this architecture.
    """
    try:
        return _EFI_NAMES[architecture]
    except KeyError:
        raise ImageError(
            f"no disk is made for {architecture}", hint=f"known: {', '.join(_EFI_NAMES)}"
        ) from None


def boots_by_bios(architecture: str) -> bool:
    """Say whether machines of this architecture may have a BIOS."""
    return architecture == _BIOS_ARCHITECTURE


_OF_DIRECT_BOOT = ("root", "rootfstype", "ro", "rootwait", "init", "initcall_blacklist")
"""Words of a direct boot that do not hold here: which disk, and which disk drivers to leave out."""


def kernel_words(command_line: str) -> str:
    """Return the kernel's words for a boot from this disk.

    Args:
        command_line: `mptcp_appliance.image.Image.command_line`, for a direct boot.
    """
    kept = [w for w in command_line.split() if w.partition("=")[0] not in _OF_DIRECT_BOOT]
    here = f"root=PARTUUID={DISK_ID:08x}-02 rootfstype=squashfs ro rootwait init={FIRST_PROGRAM}"
    # the last console is the one on which the first program's words go
    return f"console=tty0 {' '.join(kept)} {here}"


def finds_root(command_line: str) -> bool:
    """Say whether a kernel that is told this mounts its root by itself, without an initramfs."""
    return any(word.startswith("root=") for word in command_line.split())


FIRST_PROGRAM = "/usr/local/sbin/overlay-init"
"""Lays memory over the read-only root and hands over to PID 1."""


def syslinux_configuration(words: str) -> str:
    """Return syslinux's configuration: one entry, started at once."""
    return f"DEFAULT appliance\nPROMPT 0\nLABEL appliance\n KERNEL /vmlinuz\n APPEND {words}\n"
