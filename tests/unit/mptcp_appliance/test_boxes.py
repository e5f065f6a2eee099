import json
import xml.etree.ElementTree as ET

import pytest

from mptcp_appliance import boxes, vmdk

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
DISK = boxes.Disk(name=boxes.VIRTUALBOX_DISK, disk_bytes=86 * 2**20, file_bytes=61_000_000)


def test_the_box_for_libvirt_says_what_its_disk_is() -> None:
    members = boxes.libvirt_members(DISK, architecture="amd64")
    assert json.loads(members["metadata.json"]) == {
        "provider": "libvirt",
        "format": "qcow2",
        "virtual_size": 1,
        "architecture": "amd64",
    }


def test_a_disk_of_more_than_a_gibibyte_is_rounded_up() -> None:
    disk = boxes.Disk(name="box.img", disk_bytes=boxes.GIB + 1, file_bytes=1)
    members = boxes.libvirt_members(disk, architecture="amd64")
    assert json.loads(members["metadata.json"])["virtual_size"] == 2


def test_no_box_carries_or_wants_a_key() -> None:
    for make in (boxes.libvirt_members, boxes.virtualbox_members):
        text = make(DISK, architecture="amd64")["Vagrantfile"]
        assert "insert_key = false" in text
        assert "private_key" not in text
        assert "password" not in text


def test_the_machine_description_names_its_disk_and_one_card_behind_nat() -> None:
    members = boxes.virtualbox_members(DISK, architecture="amd64")
    tree = ET.fromstring(members["box.ovf"])  # noqa: S314 - this program's own text
    file = tree.find(f"{OVF}References/{OVF}File")
    disk = tree.find(f"{OVF}DiskSection/{OVF}Disk")
    assert file is not None
    assert disk is not None
    assert file.get(f"{OVF}href") == DISK.name
    assert file.get(f"{OVF}size") == str(DISK.file_bytes)
    assert disk.get(f"{OVF}capacity") == str(DISK.disk_bytes)
    assert disk.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    items = list(tree.iter(f"{OVF}Item"))
    kinds = [item.findtext(f"{RASD}ResourceType") for item in items]
    assert kinds == ["3", "4", "20", "17", "10"]
    assert [
        i.findtext(f"{RASD}Connection") for i in items if i.find(f"{RASD}Connection") is not None
    ] == ["NAT"]
    # the schema's sequence is alphabetical, and strict importers insist on it
    for item in items:
        tags = [child.tag for child in item]
        assert tags == sorted(tags)
    numbers = [item.findtext(f"{RASD}InstanceID") for item in items]
    assert len(set(numbers)) == len(numbers)


def test_two_vmdk_files_of_one_disk_are_told_apart_by_nothing() -> None:
    descriptor = b"# Disk DescriptorFile\nversion=1\nCID=8a1f02cc\nparentCID=ffffffff\n\0\0"
    fixed = vmdk.with_fixed_content_id(descriptor)
    assert len(fixed) == len(descriptor)
    assert fixed == descriptor.replace(b"8a1f02cc", b"6d707463")


@pytest.mark.parametrize("text", [b"", b"CID=xyz", b"CID=00000000\nCID=00000000\n"])
def test_what_is_no_descriptor_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="CID="):
        vmdk.with_fixed_content_id(text)
