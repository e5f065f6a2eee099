"""Turn a built image into disks and Vagrant boxes: no root, no loop device, the same bytes."""

import contextlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mptcp_appliance import boxes, disk_layout, process, vmdk
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image
from mptcp_appliance.manifest import EFI_KERNEL

_BOOT_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")

_TIME_S = 1_700_000_000
"""Every time stamp on a disk and in a box: the image's own moment (``image.toml``)."""

_ENVIRONMENT = {"SOURCE_DATE_EPOCH": str(_TIME_S), "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}

_BIOS_TOOLS = ("syslinux",)
_TOOLS = ("mkfs.vfat", "mmd", "mcopy")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """One call of `make`: where it works and whom it tells."""

    image: Image
    architecture: str
    work: Path
    progress: Callable[[str], None]

    def run(self, *arguments: str) -> None:
        """Run a tool to its end."""
        process.run(
            arguments,
            on_line=lambda _: None,
            on_silence=lambda: self.progress(f"{arguments[0]} is still at it"),
            environment=_ENVIRONMENT,
        )


def make(image: Image, form: str, output: Path, progress: Callable[[str], None]) -> None:
    """Write an image as a disk or a box.

    Args:
        image: Built and verified; its kernel has no modules.
        form: One of `FORMATS`.
        output: The file to write; it is there as a whole or not at all.
        progress: Called with one line of information for each step.

    Raises:
        ImageError: The format is unknown, a tool is missing or failed, or the disk is full.
    """
    if form not in FORMATS:
        raise ImageError(
            f"no format is called {form!r}", hint=f"known: {', '.join(sorted(FORMATS))}"
        )
    architecture = _architecture(image)
    _require_built_in(image)
    bios = disk_layout.boots_by_bios(architecture)
    process.require(*_TOOLS, *(_BIOS_TOOLS if bios else ()), *_CONVERTERS.get(form, ()))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".disk-", dir=output.parent) as folder:
            making = _Making(
                image=image, architecture=architecture, work=Path(folder), progress=progress
            )
            made = FORMATS[form](making)
            _settle(made)
            made.replace(output)
    except OSError as e:
        raise ImageError(
            f"{output} cannot be written: {e.strerror or e}",
            hint="free some space, or name another file with --output",
        ) from e


def _architecture(image: Image) -> str:
    try:
        table = json.loads(image.manifest.read_text(encoding="utf-8"))
        return str(table["architecture"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ImageError(
            f"the manifest {image.manifest} does not say for which machines the image is",
            hint="build the image again",
        ) from e


def _require_built_in(image: Image) -> None:
    """Refuse a kernel that would look for its disk in an initramfs."""
    if not disk_layout.finds_root(image.command_line):
        raise ImageError(
            f"the kernel of {image.directory.name} has its disk drivers as modules",
            hint="only a kernel of our own starts from a disk: take the image appliance",
        )


def _raw(making: _Making) -> Path:
    """Write the disk as it is."""
    words = disk_layout.kernel_words(making.image.command_line)
    layout = disk_layout.layout(root_bytes=making.image.rootfs.stat().st_size)
    making.progress("laying out the boot partition")
    boot = _boot_partition(making, words, size_bytes=layout.boot_bytes)
    bios = disk_layout.boots_by_bios(making.architecture)
    code = _BOOT_CODE.read_bytes() if bios else b""
    disk = making.work / "disk.raw"
    making.progress("writing the disk")
    with disk.open("wb") as stream:
        stream.truncate(layout.disk_bytes)
        stream.write(
            disk_layout.master_boot_record(layout, boot_code=code[: disk_layout.BOOT_CODE_BYTES])
        )
        for source, start_bytes in (
            (boot, layout.boot_start_bytes),
            (making.image.rootfs, layout.root_start_bytes),
        ):
            stream.seek(start_bytes)
            with source.open("rb") as part:
                _copy_without_holes(part, stream)
    boot.unlink()
    return disk


def _boot_partition(making: _Making, words: str, *, size_bytes: int) -> Path:
    """Make the FAT file system from which both kinds of firmware start the kernel."""
    fat, kernel = making.work / "boot.fat", making.work / "vmlinuz"
    with fat.open("wb") as stream:
        stream.truncate(size_bytes)
    shutil.copyfile(making.image.directory / EFI_KERNEL, kernel)
    configuration = making.work / "syslinux.cfg"
    configuration.write_text(disk_layout.syslinux_configuration(words), encoding="ascii")
    for file in (kernel, configuration):
        os.utime(file, (_TIME_S, _TIME_S))
    number = f"{disk_layout.DISK_ID:08X}"
    label = disk_layout.LABEL
    making.run("mkfs.vfat", "--invariant", "-F", "16", "-i", number, "-n", label, str(fat))
    making.run("mmd", "-i", str(fat), "::/EFI", "::/EFI/BOOT")
    efi = f"::/EFI/BOOT/{disk_layout.efi_name(making.architecture)}"
    making.run("mcopy", "-m", "-i", str(fat), str(kernel), efi)
    if disk_layout.boots_by_bios(making.architecture):
        making.run("mcopy", "-m", "-i", str(fat), str(kernel), "::/vmlinuz")
        making.run("mcopy", "-m", "-i", str(fat), str(configuration), "::/syslinux.cfg")
        making.run("syslinux", "--install", str(fat))
    return fat


def _copy_without_holes(source: IO[bytes], target: IO[bytes]) -> None:
    while chunk := source.read(disk_layout.MIB):
        if any(chunk):
            target.write(chunk)
        else:
            target.seek(len(chunk), os.SEEK_CUR)


def _qcow2(making: _Making) -> Path:
    """Write the disk for QEMU and libvirt."""
    return _converted(making, "disk.qcow2", "-O", "qcow2")


def _converted(making: _Making, name: str, *options: str) -> Path:
    raw, target = _raw(making), making.work / name
    making.progress(f"converting it to {options[1]}")
    # one cluster after the other: the order of clusters in the file is part of its bytes
    making.run("qemu-img", "convert", "-m", "1", "-f", "raw", *options, str(raw), str(target))
    raw.unlink()
    return target


def _libvirt_box(making: _Making) -> Path:
    qcow2 = _qcow2(making)
    disk = _described(making, qcow2, boxes.LIBVIRT_DISK)
    texts = boxes.libvirt_members(disk, architecture=making.architecture)
    return _box(making, texts, qcow2, disk.name)


def _virtualbox_box(making: _Making) -> Path:
    file = _converted(making, "disk.vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized")
    with file.open("r+b") as stream:
        stream.seek(vmdk.DESCRIPTOR_AT_BYTES)
        descriptor = stream.read(vmdk.DESCRIPTOR_BYTES)
        stream.seek(vmdk.DESCRIPTOR_AT_BYTES)
        stream.write(vmdk.with_fixed_content_id(descriptor))
    disk = _described(making, file, boxes.VIRTUALBOX_DISK)
    texts = boxes.virtualbox_members(disk, architecture=making.architecture)
    return _box(making, texts, file, disk.name)


def _described(making: _Making, file: Path, name: str) -> boxes.Disk:
    layout = disk_layout.layout(root_bytes=making.image.rootfs.stat().st_size)
    return boxes.Disk(name=name, disk_bytes=layout.disk_bytes, file_bytes=file.stat().st_size)


def _box(making: _Making, texts: Mapping[str, str], disk: Path, name: str) -> Path:
    """Pack a box. It is not compressed: what takes room in it is compressed already."""
    making.progress("packing the box")
    box = making.work / "appliance.box"
    with tarfile.open(box, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, text in texts.items():
            content = text.encode()
            archive.addfile(_member(member, len(content)), io.BytesIO(content))
        with disk.open("rb") as stream:
            archive.addfile(_member(name, disk.stat().st_size), stream)
    disk.unlink()
    return box


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size_bytes, _TIME_S, 0o644
    return member


def _settle(file: Path) -> None:
    """Write a file through to the disk before it gets its name."""
    descriptor = os.open(file, os.O_RDONLY)
    with contextlib.closing(os.fdopen(descriptor, "rb")):
        os.fsync(descriptor)


FORMATS: Mapping[str, Callable[[_Making], Path]] = {
    "raw": _raw,
    "qcow2": _qcow2,
    "box-virtualbox": _virtualbox_box,
    "box-libvirt": _libvirt_box,
}
"""What an image can be written as. vagrant-qemu takes the box for libvirt."""

_CONVERTERS = {form: ("qemu-img",) for form in FORMATS if form != "raw"}
