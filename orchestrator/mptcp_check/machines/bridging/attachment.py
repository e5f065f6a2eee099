"""One way to join a machine's network interface to one of this computer's, as a value.

An attachment says all that it needs before anything is done: rights, the commands, the commands
that undo them.  `network.attachments` does it.
"""

import enum
from dataclasses import dataclass

from mptcp_check.machines.network_interface import HostInterface


class AttachmentKind(enum.StrEnum):
    """The ways; `docs/network.md` tells them apart."""

    BRIDGE = "bridge"
    """A tap of ours in a Linux bridge that is there already."""
    MACVTAP = "macvtap"
    """An Ethernet interface with a second address; nothing else on the computer changes."""
    TAP = "tap"
    """A tap that the user made and put where it belongs."""
    ROUTED = "routed"
    """A tap of ours, forwarded and masqueraded by the kernel."""
    VMNET_BRIDGED = "vmnet_bridged"
    VMNET_SHARED = "vmnet_shared"


class Network(enum.StrEnum):
    """Whose network the machine is in; the word in the report."""

    BRIDGED = "bridged"
    ROUTED = "routed"


class Rights(enum.StrEnum):
    """Whose rights an attachment takes."""

    USER = "none beyond yours"
    ROOT = "root"


NETWORKS = {
    AttachmentKind.BRIDGE: Network.BRIDGED,
    AttachmentKind.MACVTAP: Network.BRIDGED,
    AttachmentKind.TAP: Network.BRIDGED,
    AttachmentKind.ROUTED: Network.ROUTED,
    AttachmentKind.VMNET_BRIDGED: Network.BRIDGED,
    AttachmentKind.VMNET_SHARED: Network.ROUTED,
}

DEVICE_PREFIX = "mptcp-"
"""Of all taps and macvtaps of ours."""

Command = tuple[str, ...]
"""A program and its arguments; no shell ever sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """How one interface of the machine meets one interface of this computer."""

    kind: AttachmentKind
    interface: HostInterface
    device: str
    """The tap or macvtap on this computer; empty where the hypervisor makes its own."""
    mac: str
    """Of the machine's interface: the same for each run here, so that no network sees many."""
    rights: Rights
    commands: tuple[Command, ...] = ()
    """What is run to set it up, in this order."""
    undo: tuple[Command, ...] = ()
    """What is run to take it down, in this order; a failure of one does not stop the next."""
    addresses: tuple[str, ...] = ()
    """The machine's, with prefix length; empty where the network gives them (DHCP, SLAAC)."""
    gateways: tuple[str, ...] = ()
    """Next hops of the machine; empty where the network names them."""
    notes: tuple[str, ...] = ()
    """What the user and the reader of the report must know, a sentence each."""
    descriptor: int | None = None
    """An open file that QEMU must inherit; there only while the attachment is set up."""

    @property
    def network(self) -> Network:
        """``bridged`` or ``routed``."""
        return NETWORKS[self.kind]

    def qemu_arguments(self, index: int) -> list[str]:
        """Return QEMU's arguments for the machine's interface ``eth{index}``.

        No vnet header: it would let offloads hide the packets that the wire really carries.  A
        descriptor was opened without one, and QEMU wants no more words then.
        """
        backend = {
            AttachmentKind.BRIDGE: self._tap,
            AttachmentKind.TAP: self._tap,
            AttachmentKind.ROUTED: self._tap,
            AttachmentKind.MACVTAP: f"tap,fd={self.descriptor}",
            AttachmentKind.VMNET_BRIDGED: f"vmnet-bridged,ifname={self.interface.name}",
            AttachmentKind.VMNET_SHARED: "vmnet-shared",
        }[self.kind]
        return [
            *("-netdev", f"{backend},id=n{index}"),
            *("-device", f"virtio-net-pci,netdev=n{index},mac={self.mac},romfile="),
        ]

    @property
    def _tap(self) -> str:
        return f"tap,ifname={self.device},script=no,downscript=no,vnet_hdr=off"
