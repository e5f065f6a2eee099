import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import disk_layout
from mptcp_appliance.disk_layout import MIB, SECTOR_BYTES
from mptcp_appliance.errors import ImageError


def partitions(record: bytes) -> list[tuple[int, int, int, int]]:
    """Status, type, first sector and sectors of each entry in use, read as firmware does."""
    entries = [record[446 + 16 * n : 462 + 16 * n] for n in range(4)]
    return [(e[0], e[4], *struct.unpack("<II", e[8:])) for e in entries if e[4]]


@given(st.integers(min_value=1, max_value=10**9))
def test_partitions_hold_their_content_and_do_not_overlap(root_bytes: int) -> None:
    found = disk_layout.layout(root_bytes=root_bytes)
    record = disk_layout.master_boot_record(found, boot_code=b"")
    (status, kind, start, size), (_, root_kind, root_start, root_size) = partitions(record)
    assert (status, kind, root_kind) == (0x80, 0x0E, 0x83)
    assert start * SECTOR_BYTES == MIB
    assert start + size == root_start
    assert root_bytes <= root_size * SECTOR_BYTES < root_bytes + MIB
    assert (root_start + root_size) * SECTOR_BYTES < found.disk_bytes


def test_the_record_ends_with_its_signature_and_carries_the_number_that_the_kernel_looks_for() -> (
    None
):
    record = disk_layout.master_boot_record(
        disk_layout.layout(root_bytes=1), boot_code=b"\xeb" * 440
    )
    assert len(record) == SECTOR_BYTES
    assert record[:440] == b"\xeb" * 440
    assert record[510:] == b"\x55\xaa"
    (number,) = struct.unpack("<I", record[440:444])
    assert f"PARTUUID={number:08x}-02" in disk_layout.kernel_words("")


def test_boot_code_that_would_run_over_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="441"):
        disk_layout.master_boot_record(disk_layout.layout(root_bytes=1), boot_code=b"x" * 441)


def test_words_of_a_direct_boot_do_not_reach_the_disk() -> None:
    words = disk_layout.kernel_words(
        "console=ttyS0 quiet root=/dev/vda rootwait=30 ro init=/sbin/init"
        " initcall_blacklist=ahci_pci_driver_init net.ifnames=0"
    ).split()
    assert [w for w in words if w.startswith("root=")] == ["root=PARTUUID=4d505443-02"]
    assert [w for w in words if w.startswith("init=")] == ["init=/usr/local/sbin/overlay-init"]
    assert not [w for w in words if "ahci" in w]
    assert words[:4] == ["console=tty0", "console=ttyS0", "quiet", "net.ifnames=0"]


def test_a_kernel_that_is_told_its_root_needs_no_initramfs() -> None:
    assert disk_layout.finds_root("quiet root=/dev/vda")
    assert not disk_layout.finds_root("quiet console=ttyS0")


def test_syslinux_starts_one_entry_and_asks_nobody() -> None:
    text = disk_layout.syslinux_configuration("quiet a=b")
    assert "DEFAULT appliance" in text
    assert "PROMPT 0" in text
    assert " APPEND quiet a=b\n" in text


def test_firmware_finds_the_kernel_by_the_name_of_its_architecture() -> None:
    assert disk_layout.efi_name("amd64") == "BOOTX64.EFI"
    assert disk_layout.efi_name("arm64") == "BOOTAA64.EFI"
    with pytest.raises(ImageError, match="riscv64"):
        disk_layout.efi_name("riscv64")
    assert disk_layout.boots_by_bios("amd64")
    assert not disk_layout.boots_by_bios("arm64")
