"""The description of a virtual machine that VirtualBox imports (OVF 1.0, DMTF DSP0243). No I/O."""

from dataclasses import dataclass

_MEMORY_MIB = 512

_SCHEMA = "http://schemas.dmtf.org/ovf/envelope/1"
_SETTINGS = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One piece of hardware; the numbers of `kind` are those of CIM_ResourceType."""

    number: int
    kind: int
    name: str
    rest: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        fields = sorted(
            (
                ("ElementName", self.name),
                ("InstanceID", str(self.number)),
                ("ResourceType", str(self.kind)),
                *self.rest,
            )
        )  # the schema wants the elements in the order of their names
        inner = "".join(f"<rasd:{tag}>{value}</rasd:{tag}>" for tag, value in fields)
        return f"      <Item>{inner}</Item>\n"


_HARDWARE = (
    _Item(number=1, kind=3, name="1 processor", rest=(("VirtualQuantity", "1"),)),
    _Item(
        number=2,
        kind=4,
        name=f"{_MEMORY_MIB} MB of memory",
        rest=(("AllocationUnits", "MegaBytes"), ("VirtualQuantity", str(_MEMORY_MIB))),
    ),
    _Item(number=3, kind=20, name="SATA", rest=(("Address", "0"), ("ResourceSubType", "AHCI"))),
    _Item(
        number=4,
        kind=17,
        name="disk",
        rest=(("AddressOnParent", "0"), ("HostResource", "/disk/vmdisk1"), ("Parent", "3")),
    ),
    # the management interface only: Vagrant adds the measured ones behind it
    _Item(
        number=5,
        kind=10,
        name="management",
        rest=(
            ("AutomaticAllocation", "true"),
            ("Connection", "NAT"),
            ("ResourceSubType", "E1000"),
        ),
    ),
)
"""What every version of VirtualBox emulates, and the appliance's kernel drives."""


def envelope(*, name: str, disk_file: str, disk_bytes: int, file_bytes: int) -> str:
    """Return the text of an OVF descriptor.

    Args:
        name: Of the machine; letters, digits and dashes.
        disk_file: Name of the streamOptimized VMDK beside the descriptor.
        disk_bytes: Size that the machine sees.
        file_bytes: Size of the VMDK.
    """
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="{_SCHEMA}" xmlns:ovf="{_SCHEMA}"
    xmlns:rasd="{_SETTINGS}/CIM_ResourceAllocationSettingData"
    xmlns:vssd="{_SETTINGS}/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:id="file1" ovf:href="{disk_file}" ovf:size="{file_bytes}"/>
  </References>
  <DiskSection>
    <Info>The disk, read-only for the machine: what it writes stays in its memory</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{disk_bytes}"
        ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>The host's own network; measured ones are added later</Info>
    <Network ovf:name="NAT"/>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>The appliance of mptcp-check</Info>
    <OperatingSystemSection ovf:id="101">
      <Info>Linux, 64 bit</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>
      </System>
{"".join(item.text() for item in _HARDWARE)}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
