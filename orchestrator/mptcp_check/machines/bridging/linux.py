"""Linux: bridge, macvtap, a tap of the user's, and routing as the last way; pure.

Measured with the kernel's own counters: MP_CAPABLE and MP_JOIN pass all of them, and none of the
user-mode networks (`-netdev user`, passt, VirtualBox's NAT), which end TCP themselves.
"""

from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging import routing
from mptcp_check.machines.bridging.attachment import (
    DEVICE_PREFIX,
    Attachment,
    AttachmentKind,
    Command,
    Rights,
)
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

BRIDGED_NOTE = (
    "the machine is a second computer on the network of {}: one with port security or 802.1X "
    "may refuse it"
)
VPN_NOTE = "the VPN {} is not measured: {} goes past it"
ROUTED_NOTES = {
    InterfaceKind.WIFI: (
        "{} is Wi-Fi: an access point carries frames of its own stations only, so the machine "
        "is not bridged; this computer's kernel forwards for it and rewrites addresses (NAT)"
    ),
    InterfaceKind.CELLULAR: (
        "{} knows no Ethernet addresses, so the machine is not bridged; this computer's kernel "
        "forwards for it and rewrites addresses (NAT)"
    ),
    InterfaceKind.VPN: (
        "{} is a VPN: what is measured is the way through it; this computer's kernel forwards "
        "for the machine and rewrites addresses (NAT)"
    ),
}
ROUTED_NOTE = "{} is not bridged: this computer's kernel forwards and rewrites addresses (NAT)"
READING_NOTE = (
    "TCP options pass the kernel's NAT; addresses and ports that differ at the server are its doing"
)


def device_name(interface: HostInterface) -> str:
    """Return the name of our device for an interface; the interface's index keeps it unique."""
    return f"{DEVICE_PREFIX}{interface.index}"


def bridge(interface: HostInterface, facts: HostFacts, mac: str) -> Attachment:
    """Return a tap of ours in the bridge that the interface is, or belongs to."""
    tap_device, name = device_name(interface), interface.master or interface.name
    make, undo = _tap(tap_device, facts)
    join: Command = ("ip", "link", "set", "dev", tap_device, "master", name)
    filters = facts.sysctls.get("net/bridge/bridge-nf-call-iptables") == "1"
    opened = [
        ("iptables", "{}", "FORWARD", "-m", "physdev", side, tap_device, "-j", "ACCEPT")
        for side in ("--physdev-in", "--physdev-out")
        if filters and facts.forward_policy_drops
    ]
    return Attachment(
        kind=AttachmentKind.BRIDGE,
        interface=interface,
        device=tap_device,
        mac=mac,
        rights=Rights.ROOT,
        commands=(
            make,
            ("ip", "link", "set", "dev", tap_device, "addrgenmode", "none"),
            # a bridge takes the lowest address of its ports as its own, and this computer would
            # have another one until its neighbours have asked again: no address is higher
            ("ip", "link", "set", "dev", tap_device, "address", f"fe{mac[2:]}"),
            join,
            *(_filled(command, "-I") for command in opened),
            ("ip", "link", "set", "dev", tap_device, "up"),
        ),
        undo=(undo, *(_filled(command, "-D") for command in opened)),
        notes=_bridged_notes(interface, facts),
    )


def macvtap(interface: HostInterface, facts: HostFacts, mac: str) -> Attachment:
    """Return a macvtap: the interface listens for a second address, nothing else changes."""
    device = device_name(interface)
    what = ("address", mac, "type", "macvtap", "mode", "bridge")
    return Attachment(
        kind=AttachmentKind.MACVTAP,
        interface=interface,
        device=device,
        mac=mac,
        rights=Rights.ROOT,
        commands=(
            ("ip", "link", "add", "link", interface.name, "name", device, *what),
            # or this computer itself would speak on that network under the machine's address
            ("ip", "link", "set", "dev", device, "addrgenmode", "none"),
            # or a neighbour's question for an IPv6 address of the machine (RFC 4861) never comes
            # in: this computer's kernel does not know which groups the machine's joined
            ("ip", "link", "set", "dev", device, "allmulticast", "on"),
            ("ip", "link", "set", "dev", device, "up"),
        ),
        undo=(("ip", "link", "delete", "dev", device),),
        notes=(
            *_bridged_notes(interface, facts),
            f"this computer and the machine cannot talk to each other over {interface.name}",
        ),
    )


def tap(interface: HostInterface, facts: HostFacts, mac: str) -> Attachment:
    """Return the user's own tap as it is, switched on for the run if it is off.

    Raises:
        PreflightError: It belongs to somebody else, or is off and only root may change that.
    """
    if not facts.is_root and interface.owner_uid != facts.uid:
        raise PreflightError(
            f"the tap {interface.name} is not yours",
            hint=f"make it again with `sudo ip tuntap add dev {interface.name} mode tap "
            f"user {facts.uid}`",
        )
    off = not interface.switched_on
    switch = ("ip", "link", "set", "dev", interface.name)
    if off and not facts.is_root:
        raise PreflightError(
            f"the tap {interface.name} is switched off",
            hint=f"`sudo {' '.join(switch)} up`",
        )
    return Attachment(
        kind=AttachmentKind.TAP,
        interface=interface,
        device=interface.name,
        mac=mac,
        rights=Rights.USER,
        commands=((*switch, "up"),) if off else (),
        undo=((*switch, "down"),) if off else (),
        notes=(f"what is behind the tap {interface.name} is yours to say",),
    )


def routed(interface: HostInterface, facts: HostFacts, mac: str) -> Attachment:
    """Return a tap of ours whose packets the kernel forwards to the interface's next hop.

    Raises:
        PreflightError: The interface leads nowhere, or no network is left for the machine.
    """
    device = device_name(interface)
    subnets = routing.subnets(interface, facts)
    make, undo = _tap(device, facts)
    steps = routing.steps(interface, device, subnets, facts)
    note = ROUTED_NOTES.get(interface.kind, ROUTED_NOTE).format(interface.title)
    return Attachment(
        kind=AttachmentKind.ROUTED,
        interface=interface,
        device=device,
        mac=mac,
        rights=Rights.ROOT,
        commands=(make, *(step for step, _ in steps)),
        undo=(*(back for _, back in reversed(steps) if back), undo),
        addresses=tuple(f"{s.machine}/{s.network.prefixlen}" for s in subnets),
        gateways=tuple(str(s.gateway) for s in subnets),
        notes=(note, READING_NOTE, *_vpn_notes(interface, facts)),
    )


def _tap(device: str, facts: HostFacts) -> tuple[Command, Command]:
    return (
        ("ip", "tuntap", "add", "dev", device, "mode", "tap", "user", str(facts.uid)),
        ("ip", "link", "delete", "dev", device),
    )


def _filled(command: Command, word: str) -> Command:
    return tuple(word if part == "{}" else part for part in command)


def _bridged_notes(interface: HostInterface, facts: HostFacts) -> tuple[str, ...]:
    return (BRIDGED_NOTE.format(interface.title), *_vpn_notes(interface, facts))


def _vpn_notes(interface: HostInterface, facts: HostFacts) -> tuple[str, ...]:
    if interface.kind is InterfaceKind.VPN:
        return ()
    vpns = [i for i in facts.interfaces if i.kind is InterfaceKind.VPN and i.up and i.addresses]
    return tuple(VPN_NOTE.format(i.name, interface.name) for i in vpns)
