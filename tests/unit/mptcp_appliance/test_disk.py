import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from mptcp_appliance import boxes, disk, disk_layout
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image
from mptcp_appliance.manifest import EFI_KERNEL

KERNEL = b"MZ kernel" * 100_000
ROOT = b"hsqs root" * 200_000 + bytes(3 * disk_layout.MIB) + b"end"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Files as an image has them; that a kernel starts from them is tests/system's."""
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / EFI_KERNEL).write_bytes(KERNEL)
    (folder / "rootfs.squashfs").write_bytes(ROOT)
    (folder / "manifest.json").write_text(json.dumps({"architecture": "amd64"}))
    return Image(
        directory=folder,
        kernel=folder / "kernel",
        initrd=folder / "initrd.img",
        rootfs=folder / "rootfs.squashfs",
        digest="0" * 64,
        command_line="console=ttyS0 quiet root=/dev/vda",
        manifest=folder / "manifest.json",
        parts={},
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("form", sorted(disk.FORMATS))
def test_an_image_written_twice_is_the_same_bytes(
    form: str, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    for folder, zone in (("one", "UTC"), ("another, longer", "Pacific/Auckland")):
        # half a day between them, for whoever writes the time of day
        monkeypatch.setenv("TZ", zone)
        disk.make(image, form, tmp_path / folder / "disk", lines.append)
    assert digest(tmp_path / "one" / "disk") == digest(tmp_path / "another, longer" / "disk")
    assert lines
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["disk"]


def test_both_kinds_of_firmware_find_the_kernel_and_the_kernel_its_root(
    image: Image, tmp_path: Path
) -> None:
    target = tmp_path / "disk.raw"
    disk.make(image, "raw", target, lambda _: None)
    content = target.read_bytes()
    found = disk_layout.layout(root_bytes=len(ROOT))
    assert len(content) == found.disk_bytes
    assert content[found.root_start_bytes :].startswith(ROOT)
    assert content[510:512] == b"\x55\xaa"
    fat = f"{target}@@{found.boot_start_bytes}"
    for name in ("::/vmlinuz", "::/EFI/BOOT/BOOTX64.EFI"):
        read = subprocess.run(["mtype", "-i", fat, name], check=True, capture_output=True).stdout
        assert read == KERNEL
    words = subprocess.run(
        ["mtype", "-i", fat, "::/syslinux.cfg"], check=True, capture_output=True, text=True
    ).stdout
    assert "root=PARTUUID=4d505443-02" in words
    listed = subprocess.run(
        ["mdir", "-a", "-b", "-i", fat, "::/"], check=True, capture_output=True, text=True
    ).stdout
    assert "ldlinux.sys" in listed


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("box-libvirt", ["metadata.json", "Vagrantfile", boxes.LIBVIRT_DISK]),
        ("box-virtualbox", ["metadata.json", "Vagrantfile", "box.ovf", boxes.VIRTUALBOX_DISK]),
    ],
)
def test_a_box_holds_its_members_and_nobodys_name(
    form: str, names: list[str], image: Image, tmp_path: Path
) -> None:
    target = tmp_path / "a.box"
    disk.make(image, form, target, lambda _: None)
    with tarfile.open(target, "r:") as archive:
        members = archive.getmembers()
    assert [m.name for m in members] == names
    assert {(m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, "", "", 0o644)}


def test_the_disk_in_a_box_is_the_disk(image: Image, tmp_path: Path) -> None:
    disk.make(image, "raw", tmp_path / "disk.raw", lambda _: None)
    disk.make(image, "box-virtualbox", tmp_path / "a.box", lambda _: None)
    with tarfile.open(tmp_path / "a.box", "r:") as archive:
        member = archive.extractfile(boxes.VIRTUALBOX_DISK)
        assert member is not None
        (tmp_path / "disk.vmdk").write_bytes(member.read())
    subprocess.run(
        ["qemu-img", "compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )


def test_an_arm_disk_has_no_bios(image: Image, tmp_path: Path) -> None:
    image.manifest.write_text(json.dumps({"architecture": "arm64"}))
    disk.make(image, "raw", tmp_path / "disk.raw", lambda _: None)
    fat = f"{tmp_path / 'disk.raw'}@@{disk_layout.MIB}"
    listed = subprocess.run(
        ["mdir", "-a", "-b", "-/", "-i", fat, "::/"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "::/EFI/BOOT/BOOTAA64.EFI" in listed
    assert not [name for name in listed if "linux" in name]
    assert (tmp_path / "disk.raw").read_bytes()[:440] == bytes(440)


def test_an_unknown_format_names_the_known_ones(image: Image, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="vhdx") as error:
        disk.make(image, "vhdx", tmp_path / "x", lambda _: None)
    assert "box-virtualbox" in error.value.hint


def test_a_kernel_with_modules_is_refused_with_the_way_out(image: Image, tmp_path: Path) -> None:
    cloud = Image(
        directory=image.directory,
        kernel=image.kernel,
        initrd=image.initrd,
        rootfs=image.rootfs,
        digest=image.digest,
        command_line="console=ttyS0 quiet",
        manifest=image.manifest,
        parts={},
    )
    with pytest.raises(ImageError, match="modules"):
        disk.make(cloud, "raw", tmp_path / "x", lambda _: None)


def test_a_missing_tool_is_named_with_its_package(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match="qemu-img") as error:
        disk.make(image, "qcow2", tmp_path / "x", lambda _: None)
    assert "dosfstools mtools syslinux qemu-utils" in error.value.hint


def test_a_kernel_without_room_leaves_nothing_half_written(image: Image, tmp_path: Path) -> None:
    (image.directory / EFI_KERNEL).write_bytes(bytes(20 * disk_layout.MIB))
    out = tmp_path / "out"
    with pytest.raises(ImageError, match="mcopy"):
        disk.make(image, "raw", out / "disk.raw", lambda _: None)
    assert list(out.iterdir()) == []


def test_a_manifest_without_architecture_is_told(image: Image, tmp_path: Path) -> None:
    image.manifest.write_text("{}")
    with pytest.raises(ImageError, match="for which machines"):
        disk.make(image, "raw", tmp_path / "x", lambda _: None)


def test_an_output_that_cannot_be_written_is_one_clear_error(image: Image, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImageError, match="cannot be written"):
        disk.make(image, "raw", tmp_path / "file" / "disk.raw", lambda _: None)
