"""What is in a Vagrant box, as values: an ordinary tar archive of fixed names. No I/O.

A box holds a disk and says how it is used; it holds no key. Who may log in is said to each
machine by its hypervisor (``docs/adr/``), so a box can be handed to anybody.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mptcp_appliance import ovf

GIB = 1 << 30

LIBVIRT_DISK = "box.img"
"""The name that vagrant-libvirt looks for; vagrant-qemu takes the same box."""

VIRTUALBOX_DISK = "box-disk001.vmdk"

_MACHINE = "mptcp-check-appliance"

_VIRTUALBOX_MAC = "0800276D7074"
"""Of the management interface, which only the host's NAT sees: Vagrant refuses a box without."""

_VAGRANTFILE = """\
# Defaults of this box; the Vagrantfile that uses it says everything else.
Vagrant.configure("2") do |config|
  config.ssh.username = "root"
  config.ssh.insert_key = false
  config.vm.synced_folder ".", "/vagrant", disabled: true
{own}end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disk file that goes into a box."""

    name: str
    disk_bytes: int
    """Size that a machine sees."""
    file_bytes: int


def libvirt_members(disk: Disk, *, architecture: str) -> Mapping[str, str]:
    """Return the texts beside the disk in a box for libvirt and QEMU, by name.

    Args:
        disk: A qcow2 file called `LIBVIRT_DISK`.
        architecture: Debian's name, which is Vagrant's too.
    """
    return {
        "metadata.json": _json(
            {
                "provider": "libvirt",
                "format": "qcow2",
                # vagrant-libvirt counts in GiB and never makes a smaller volume
                "virtual_size": -(-disk.disk_bytes // GIB),
                "architecture": architecture,
            }
        ),
        "Vagrantfile": _VAGRANTFILE.format(own=""),
    }


def virtualbox_members(disk: Disk, *, architecture: str) -> Mapping[str, str]:
    """Return the texts beside the disk in a box for VirtualBox, by name.

    Args:
        disk: A streamOptimized VMDK called `VIRTUALBOX_DISK`.
        architecture: Debian's name, which is Vagrant's too.
    """
    return {
        "metadata.json": _json({"provider": "virtualbox", "architecture": architecture}),
        "Vagrantfile": _VAGRANTFILE.format(own=f'  config.vm.base_mac = "{_VIRTUALBOX_MAC}"\n'),
        "box.ovf": ovf.envelope(
            name=_MACHINE,
            disk_file=disk.name,
            disk_bytes=disk.disk_bytes,
            file_bytes=disk.file_bytes,
        ),
    }


def _json(table: Mapping[str, object]) -> str:
    return json.dumps(table, indent=1) + "\n"
