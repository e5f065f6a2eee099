import re
from dataclasses import replace

import pytest

from host_interfaces import facts, interface, vpn, wifi
from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging.attachment import Attachment, AttachmentKind, Network, Rights
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.bridging.planning import machine_mac, plan
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

BRIDGE = interface("br0", kind=InterfaceKind.BRIDGE, index=5)
PORT = interface("eth0", master="br0")
TAP = interface("mine", kind=InterfaceKind.TAP, owner_uid=1000, up=False)


def planned(one: HostInterface, about: HostFacts | None = None, **more: Network) -> Attachment:
    (attachment,) = plan([one], about or facts(one), **more)
    return attachment


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (interface(), AttachmentKind.MACVTAP),
        (interface(kind=InterfaceKind.VETH), AttachmentKind.MACVTAP),
        (BRIDGE, AttachmentKind.BRIDGE),
        (PORT, AttachmentKind.BRIDGE),
        (TAP, AttachmentKind.TAP),
        (wifi(), AttachmentKind.ROUTED),
        (vpn(), AttachmentKind.ROUTED),
    ],
)
def test_linux_bridges_what_can_be_bridged_and_routes_the_rest(
    one: HostInterface, kind: AttachmentKind
) -> None:
    assert planned(one).kind is kind


def test_a_port_of_a_bridge_means_the_bridge() -> None:
    commands = [" ".join(c) for c in planned(PORT).commands]
    assert "ip link set dev mptcp-2 master br0" in commands


def test_a_macvtap_hears_multicast_and_needs_no_promiscuous_mode() -> None:
    """RFC 4861, section 4.3: neighbours ask by multicast, of groups that only the machine knows."""
    commands = [" ".join(c) for c in planned(interface()).commands]

    assert commands[-2:] == [
        "ip link set dev mptcp-2 allmulticast on",
        "ip link set dev mptcp-2 up",
    ]
    assert "promisc" not in " ".join(commands)


@pytest.mark.parametrize(
    ("one", "kind", "network"),
    [
        (wifi("en0"), AttachmentKind.VMNET_BRIDGED, Network.BRIDGED),
        (interface("en7"), AttachmentKind.VMNET_BRIDGED, Network.BRIDGED),
        (vpn("utun4", default_metric=0), AttachmentKind.VMNET_SHARED, Network.ROUTED),
    ],
)
def test_macos_bridges_by_vmnet(one: HostInterface, kind: AttachmentKind, network: Network) -> None:
    attachment = planned(one, facts(one, platform="darwin", macos=15))

    assert (attachment.kind, attachment.network) == (kind, network)
    assert attachment.rights is Rights.ROOT
    assert planned(one, facts(one, platform="darwin", macos=26)).rights is Rights.USER


def test_macos_cannot_route_by_another_interface_than_its_own_first() -> None:
    about = facts(wifi("en0", default_metric=0), vpn(default_metric=100), platform="darwin")
    with pytest.raises(PreflightError, match="routes by en0"):
        plan([about.interfaces[1]], about)


def test_elsewhere_nothing_is_attached() -> None:
    with pytest.raises(PreflightError, match="freebsd14"):
        planned(interface(), facts(platform="freebsd14"))


def test_routing_can_be_asked_for_and_says_so() -> None:
    attachment = planned(interface(), network=Network.ROUTED)

    assert attachment.network is Network.ROUTED
    assert any("NAT" in note for note in attachment.notes)


def test_wifi_is_explained() -> None:
    assert (
        "Wi-Fi: an access point carries frames of its own stations only" in planned(wifi()).notes[0]
    )


def test_a_bridged_machine_goes_past_the_vpn_and_says_so() -> None:
    attachment = planned(interface(), facts(interface(), vpn()))
    assert any("VPN wg0 is not measured" in note for note in attachment.notes)


def test_a_bridge_keeps_its_own_address_whatever_the_tap_has() -> None:
    found = planned(BRIDGE)
    [address] = [command[-1] for command in found.commands if command[-2] == "address"]
    assert address == f"fe{found.mac[2:]}"
    join = next(n for n, command in enumerate(found.commands) if "master" in command)
    assert (
        found.commands.index(("ip", "link", "set", "dev", found.device, "address", address)) < join
    )


def test_somebody_elses_tap_is_refused() -> None:
    with pytest.raises(PreflightError, match="not yours"):
        planned(TAP, facts(TAP, uid=1001))
    assert planned(TAP, facts(TAP, uid=1000)).rights is Rights.USER


def test_a_tap_of_the_users_is_left_as_it_was() -> None:
    on, off = planned(TAP), planned(replace(TAP, switched_on=False))

    assert (on.commands, on.undo) == ((), ())
    assert [c[-1] for c in (*off.commands, *off.undo)] == ["up", "down"]
    with pytest.raises(PreflightError, match="is switched off") as told:
        planned(replace(TAP, switched_on=False), facts(TAP, uid=1000))
    assert "sudo ip link set dev" in told.value.hint


def test_the_machines_address_is_its_own_and_the_same_in_each_run() -> None:
    one, other = machine_mac(interface()), machine_mac(wifi(mac="3c:97:0e:01:02:04"))

    assert one == machine_mac(interface(addresses=()))
    assert one != other
    assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", one)  # locally administered, for one receiver


def test_qemu_gets_one_backend_and_one_device_each() -> None:
    assert planned(BRIDGE).qemu_arguments(1) == [
        "-netdev",
        "tap,ifname=mptcp-5,script=no,downscript=no,vnet_hdr=off,id=n1",
        "-device",
        f"virtio-net-pci,netdev=n1,mac={machine_mac(BRIDGE)},romfile=",
    ]
    on_mac = planned(wifi("en0"), facts(platform="darwin")).qemu_arguments(0)
    assert on_mac[1] == "vmnet-bridged,ifname=en0,id=n0"


def test_dockers_firewall_is_opened_for_the_tap_and_closed_again() -> None:
    strict = facts(
        BRIDGE, sysctls={"net/bridge/bridge-nf-call-iptables": "1"}, forward_policy_drops=True
    )
    attachment = planned(BRIDGE, strict)

    opened = [c for c in attachment.commands if c[0] == "iptables"]
    closed = [c for c in attachment.undo if c[0] == "iptables"]
    assert [c[1] for c in opened] == ["-I", "-I"]
    assert [c[2:] for c in closed] == [c[2:] for c in opened]
    assert not [c for c in planned(BRIDGE).commands if c[0] == "iptables"]
