"""How a machine is best attached to each interface: facts in, attachments out; pure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging import linux, vmnet
from mptcp_check.machines.bridging.attachment import Attachment, Network
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

Maker = Callable[[HostInterface, HostFacts, str], Attachment]
"""Interface, facts and the machine's MAC address in, the attachment out."""

BRIDGED: Mapping[InterfaceKind, Maker] = {
    InterfaceKind.ETHERNET: linux.macvtap,
    InterfaceKind.VETH: linux.macvtap,
    InterfaceKind.VIRTUAL: linux.macvtap,
    InterfaceKind.BRIDGE: linux.bridge,
    InterfaceKind.TAP: linux.tap,
}
"""On Linux; what is not here cannot carry a second Ethernet address and is routed."""

MACOS_BRIDGES = (InterfaceKind.ETHERNET, InterfaceKind.WIFI, InterfaceKind.BRIDGE)

VMNET: Mapping[Network, Maker] = {
    Network.BRIDGED: vmnet.bridged,
    Network.ROUTED: vmnet.shared,
}


def plan(
    interfaces: Sequence[HostInterface], facts: HostFacts, *, network: Network | None = None
) -> tuple[Attachment, ...]:
    """Return the attachment for each interface.

    Args:
        interfaces: Those to measure over.
        facts: Of this computer.
        network: ``Network.ROUTED`` routes even where a bridge could be; none takes the best.

    Raises:
        PreflightError: There is no way here.
    """
    makers = {"linux": _on_linux, "darwin": _on_macos}
    maker = makers.get(facts.platform)
    if maker is None:
        raise PreflightError(
            f"machines cannot be attached to networks on {facts.platform}",
            hint="leave --iface out to measure on the embedded network",
        )
    return tuple(maker(i, facts, network)(i, facts, machine_mac(i)) for i in interfaces)


def machine_mac(interface: HostInterface) -> str:
    """Return the address of the machine's interface: one for each interface, in every run.

    A network that counts addresses (802.1X, port security, a small DHCP pool) then sees one more,
    not one more for each run.  Locally administered (IEEE 802, section 8.4), and no vendor's.
    """
    seed = f"mptcp-check {interface.name} {interface.mac}".encode()
    return ":".join(["02", *(f"{byte:02x}" for byte in hashlib.sha256(seed).digest()[:5])])


def _on_linux(interface: HostInterface, _facts: HostFacts, network: Network | None) -> Maker:
    if network is Network.ROUTED and interface.kind is not InterfaceKind.TAP:
        return linux.routed
    if interface.master:
        return linux.bridge
    return BRIDGED.get(interface.kind, linux.routed)


def _on_macos(interface: HostInterface, _facts: HostFacts, network: Network | None) -> Maker:
    bridges = interface.kind in MACOS_BRIDGES
    return VMNET[network or (Network.BRIDGED if bridges else Network.ROUTED)]
