"""What hypervisors give a guest, as QEMU emulates it: controllers, cards, firmware."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FIRMWARE = Path("/usr/share/OVMF")
"""Debian's package ovmf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What one hypervisor's machine consists of."""

    name: str
    machine: str
    disk: tuple[str, ...]
    """Devices; the last one is the disk's and gets the drive."""
    card: str
    uefi: bool = False


VIRTUALBOX = Hardware(name="virtualbox", machine="q35", disk=("ide-hd",), card="e1000")
OTHERS = (
    Hardware(name="virtualbox-oldest", machine="pc", disk=("ide-hd",), card="pcnet"),
    Hardware(name="vmware-bios", machine="pc", disk=("pvscsi", "scsi-hd"), card="vmxnet3"),
    Hardware(name="vmware-uefi", machine="q35", disk=("nvme,serial=1",), card="e1000e", uefi=True),
    Hardware(
        name="kvm-uefi", machine="q35", disk=("virtio-blk-pci",), card="virtio-net-pci", uefi=True
    ),
)


def command(hardware: Hardware, *, disk: Path, folder: Path, said: Sequence[str]) -> list[str]:
    """Return QEMU's arguments for a machine with a card for management and one that is measured.

    Args:
        hardware: Of which kind.
        disk: A raw disk; it is not written to.
        folder: For the console ``console`` and the firmware's variables.
        said: SMBIOS OEM strings.
    """
    *controllers, last = hardware.disk
    return [
        "qemu-system-x86_64",
        *("-accel", "tcg", "-M", hardware.machine, "-cpu", "qemu64", "-m", "512"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{folder / 'console'}"),
        *(word for text in said for word in ("-smbios", f"type=11,value={text}")),
        *(_firmware(folder) if hardware.uefi else ()),
        *("-drive", f"if=none,id=disk,file={disk},format=raw,readonly=off,snapshot=on"),
        *(word for controller in controllers for word in ("-device", controller)),
        *("-device", f"{last},drive=disk,bootindex=0"),
        *("-netdev", "user,id=own,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", f"{hardware.card},netdev=own,romfile="),
        *("-netdev", "user,id=measured,restrict=on"),
        *("-device", f"{hardware.card},netdev=measured,romfile="),
        *("-monitor", f"unix:{folder / 'monitor'},server=on,wait=off"),
    ]


def _firmware(folder: Path) -> list[str]:
    variables = folder / "variables.fd"
    shutil.copyfile(FIRMWARE / "OVMF_VARS.fd", variables)
    return [
        *("-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE / 'OVMF_CODE.fd'}"),
        *("-drive", f"if=pflash,format=raw,file={variables}"),
    ]
