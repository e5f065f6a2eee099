"""How other programs call the networks that their machines are bridged to; pure.

VirtualBox takes the name that ``VBoxManage list bridgedifs`` prints, word for word (``en0: Wi-Fi``
on a Mac), and refuses one typed from memory.  libvirt wants to know whether it is a bridge or an
interface for a macvtap.
"""

import re
from dataclasses import dataclass

from mptcp_check.errors import PreflightError
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

VIRTUALBOX_COMMAND = ("VBoxManage", "list", "bridgedifs")

NOT_BRIDGED_BY_LIBVIRT = (InterfaceKind.WIFI, InterfaceKind.CELLULAR, InterfaceKind.VPN)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgedInterface:
    """One interface as VirtualBox lists it."""

    name: str
    mac: str
    wireless: bool
    up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtSource:
    """What libvirt joins a machine's interface to."""

    name: str
    direct: bool
    """By macvtap: ``<interface type="direct">``; else a bridge."""


def virtualbox_interfaces(said: str) -> tuple[BridgedInterface, ...]:
    """Return what ``VBoxManage list bridgedifs`` printed; garbage gives none."""
    found = []
    for block in re.split(r"\n\s*\n", said):
        pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
        values = {name.strip(): value.strip() for name, value in pairs}
        if values.get("Name"):
            found.append(
                BridgedInterface(
                    name=values["Name"],
                    mac=values.get("HardwareAddress", "").lower(),
                    wireless=values.get("Wireless") == "Yes",
                    up=values.get("Status") == "Up",
                )
            )
    return tuple(found)


def virtualbox_name(interface: HostInterface, said: str) -> str:
    """Return VirtualBox's name of an interface.

    Args:
        interface: Of this computer.
        said: What `VIRTUALBOX_COMMAND` printed.

    Raises:
        PreflightError: VirtualBox does not bridge to it.
    """
    listed = virtualbox_interfaces(said)
    for one in listed:
        if one.name == interface.name or one.name.startswith(f"{interface.name}: "):
            return one.name
    for one in listed:
        if interface.mac and one.mac == interface.mac.lower():
            return one.name
    if not listed:
        raise PreflightError(
            "VirtualBox names no interface that it bridges to",
            hint=f"run `{' '.join(VIRTUALBOX_COMMAND)}` by hand to see why",
        )
    raise PreflightError(
        f"VirtualBox does not bridge to {interface.title}",
        hint=f"it bridges to: {', '.join(one.name for one in listed)}",
    )


def libvirt_source(interface: HostInterface) -> LibvirtSource:
    """Return what libvirt joins a machine to for an interface.

    Raises:
        PreflightError: It cannot be bridged.
    """
    if interface.kind in NOT_BRIDGED_BY_LIBVIRT:
        raise PreflightError(
            f"libvirt cannot bridge to {interface.title}",
            hint="name an Ethernet interface or a bridge, or use --machine qemu, which routes",
        )
    if interface.master:
        return LibvirtSource(name=interface.master, direct=False)
    is_bridge = interface.kind is InterfaceKind.BRIDGE
    return LibvirtSource(name=interface.name, direct=not is_bridge)
