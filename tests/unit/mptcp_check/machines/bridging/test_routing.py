import pytest

from host_interfaces import facts, interface, vpn, wifi
from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging import routing
from mptcp_check.machines.bridging.attachment import Attachment
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.bridging.linux import routed
from mptcp_check.machines.network_interface import HostInterface

WIFI = wifi()
MAC = "02:00:00:00:00:01"
OLD_KERNEL = {
    "net/ipv4/conf/wlan0/forwarding": "0",
    "net/ipv4/conf/all/rp_filter": "1",
    "net/ipv4/conf/wlan0/rp_filter": "0",
    "net/ipv6/conf/all/forwarding": "0",
    "net/ipv6/conf/wlan0/accept_ra": "1",
    "net/ipv6/conf/eth0/accept_ra": "1",
}
NEW_KERNEL = {**OLD_KERNEL, "net/ipv6/conf/wlan0/force_forwarding": "0"}


def text(commands: tuple[tuple[str, ...], ...]) -> list[str]:
    return [" ".join(command) for command in commands]


def attachment(about: HostFacts, one: HostInterface = WIFI) -> Attachment:
    return routed(one, about, MAC)


def test_the_machine_has_a_private_network_in_each_family() -> None:
    one = attachment(facts(WIFI))

    assert one.addresses == ("10.213.3.2/24", "fd6d:7074:6370:3::2/64")
    assert one.gateways == ("10.213.3.1", "fd6d:7074:6370:3::1")


def test_its_packets_leave_by_the_interface_that_was_named() -> None:
    commands = text(attachment(facts(interface(), WIFI)).commands)

    assert "ip -4 route add default via 192.168.1.1 dev wlan0 table 27703" in commands
    assert "ip -4 route add 192.168.1.0/24 dev wlan0 table 27703" in commands
    assert "ip -4 rule add iif mptcp-3 lookup 27703 priority 27703" in commands
    assert "ip -6 route add default via fe80::1 dev wlan0 table 27703" in commands


def test_a_network_that_this_computer_is_in_is_not_taken() -> None:
    crowded = interface(addresses=("10.213.0.1/16", "fd6d:7074:6370::1/48"))
    assert attachment(facts(crowded, WIFI)).addresses[0] == "172.29.3.2/24"

    full = interface(addresses=("10.0.0.1/8", "172.16.0.1/12", "192.168.0.1/16"))
    with pytest.raises(PreflightError, match="no private network is left"):
        attachment(facts(full, WIFI))


def test_a_point_to_point_link_needs_no_next_hop() -> None:
    commands = text(attachment(facts(vpn()), vpn()).commands)
    assert "ip -4 route add default dev wg0 table 27707" in commands
    assert not [c for c in commands if c.startswith("ip -6")]


def test_an_interface_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(PreflightError, match="no address with a default route"):
        attachment(facts(), wifi(gateways=()))


@pytest.mark.parametrize(
    "sysctls", [OLD_KERNEL, NEW_KERNEL], ids=["all or nothing", "by interface"]
)
def test_every_setting_is_put_back_as_it_was(sysctls: dict[str, str]) -> None:
    one = attachment(facts(interface(), WIFI, sysctls=sysctls))

    changed = {c[3].split("=")[0] for c in one.commands if c[0] == "sysctl"}
    ours = {name for name in changed if "/mptcp-3/" in name}
    back = dict(c[3].split("=") for c in one.undo if c[0] == "sysctl")
    assert back == {name: sysctls[name] for name in changed - ours}
    assert ("net/ipv6/conf/all/forwarding" in back) is (sysctls is OLD_KERNEL)
    assert "net/ipv4/conf/wlan0/rp_filter" in back


def test_without_per_interface_forwarding_routers_are_still_heard() -> None:
    commands = text(attachment(facts(interface(), WIFI, sysctls=OLD_KERNEL)).commands)
    everything = commands.index("sysctl -q -w net/ipv6/conf/all/forwarding=1")
    for name in ("wlan0", "eth0"):
        assert commands.index(f"sysctl -q -w net/ipv6/conf/{name}/accept_ra=2") < everything


def test_what_is_on_already_is_left_alone() -> None:
    router = dict.fromkeys(OLD_KERNEL, "1") | {"net/ipv4/conf/all/rp_filter": "0"}
    router["net/ipv4/conf/wlan0/rp_filter"] = "0"
    one = attachment(facts(WIFI, sysctls=router | {"net/ipv6/conf/wlan0/accept_ra": "0"}))

    assert not [c for c in one.undo if c[0] == "sysctl"]


def test_the_rules_come_first_and_the_tap_goes_last() -> None:
    one = attachment(facts(WIFI))

    assert [c[0] for c in one.commands[:2]] == ["ip", "nft"]
    assert one.commands[0][1] == "tuntap"
    assert text(one.undo)[-2:] == [
        "nft delete table inet mptcp_check_3",
        "ip link delete dev mptcp-3",
    ]


@pytest.mark.parametrize(
    ("sysctls", "rule"),
    [
        (NEW_KERNEL, 'passing meta nfproto ipv6 iifname "wlan0" drop'),
        # a drop is final, also in another table: taps of ours have rules of their own
        (OLD_KERNEL, 'ipv6 iifname != "mptcp-*" oifname != "mptcp-*" drop'),
    ],
)
def test_forwarding_for_the_machine_is_forwarding_for_nobody_else(
    sysctls: dict[str, str], rule: str
) -> None:
    about = facts(WIFI, sysctls=sysctls)
    rules = routing.ruleset("t", WIFI, "mptcp-3", routing.subnets(WIFI, about), about)

    assert 'passing meta nfproto ipv4 iifname "wlan0" drop' in rules
    assert rule in rules
    assert 'passing oifname "mptcp-3" ct state established,related accept' in rules
    assert 'hosting iifname "mptcp-3" drop' in rules


def test_a_computer_that_routes_anyway_keeps_routing() -> None:
    on = {"net/ipv4/conf/wlan0/forwarding": "1", "net/ipv6/conf/all/forwarding": "1"}
    about = facts(WIFI, sysctls=on)
    rules = routing.ruleset("t", WIFI, "mptcp-3", routing.subnets(WIFI, about), about)

    assert "nfproto" not in rules


def test_dockers_forward_policy_gets_an_exception_for_the_tap() -> None:
    one = attachment(facts(WIFI, forward_policy_drops=True))

    opened = [c[2:] for c in one.commands if c[0] == "iptables"]
    closed = [c[2:] for c in one.undo if c[0] == "iptables"]
    assert len(opened) == 2
    assert sorted(opened) == sorted(closed)
