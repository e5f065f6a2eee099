"""macOS: attachments that its vmnet framework makes (vmnet.h; QEMU's ``-netdev vmnet-…``); pure.

Written from the documents of Apple and QEMU (7.1 and newer) and not run on a Mac by us.
vmnet-bridged also works on Wi-Fi: macOS rewrites the machine's Ethernet address by itself.
vmnet-shared is the kernel's own NAT: it rewrites addresses, and TCP and its options pass.
"""

from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging.attachment import Attachment, AttachmentKind, Rights
from mptcp_check.machines.bridging.host_facts import UNLOCKED_MACOS, HostFacts
from mptcp_check.machines.network_interface import HostInterface

ROUTED_NOTE = (
    "{} is not bridged: macOS routes the machine and rewrites its addresses (NAT); TCP options "
    "pass, so what the report says of addresses and ports is this Mac's doing"
)
DEFAULT_ROUTE_NOTE = "vmnet-shared leaves by the Mac's default route, whatever interface was named"


def bridged(interface: HostInterface, facts: HostFacts, mac: str) -> Attachment:
    """Return the attachment that makes the machine a neighbour on the interface's network."""
    return Attachment(
        kind=AttachmentKind.VMNET_BRIDGED,
        interface=interface,
        device="",
        mac=mac,
        rights=_rights(facts),
    )


def shared(interface: HostInterface, facts: HostFacts, mac: str) -> Attachment:
    """Return the attachment by the Mac's own forwarding.

    Raises:
        PreflightError: The default route leaves by another interface.
    """
    others = [i for i in facts.interfaces if i.default_metric is not None]
    best = min(others, key=lambda i: (i.default_metric or 0, i.index), default=interface)
    if best.name != interface.name:
        raise PreflightError(
            f"{interface.title} can only be routed, and the Mac routes by {best.title}",
            hint=f"put {interface.label or interface.name} first in System Settings, Network, "
            "Set Service Order",
        )
    return Attachment(
        kind=AttachmentKind.VMNET_SHARED,
        interface=interface,
        device="",
        mac=mac,
        rights=_rights(facts),
        notes=(ROUTED_NOTE.format(interface.title), DEFAULT_ROUTE_NOTE),
    )


def _rights(facts: HostFacts) -> Rights:
    return Rights.USER if facts.macos >= UNLOCKED_MACOS else Rights.ROOT
