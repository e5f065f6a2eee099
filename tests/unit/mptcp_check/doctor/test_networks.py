from pathlib import Path

import pytest

from host_interfaces import facts, interface, vpn, wifi
from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.doctor.networks import judge
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network_interface import InterfaceKind
from mptcp_check.settings import Places

PLACES = Places(
    images=Path("/i"),
    runs=Path("/r"),
    failures=Path("/f"),
    vagrant=Path("/v"),
    accelerators=Path("/a.json"),
    catalogues=Path("/c.json"),
)


def judged(about: HostFacts, *wanted: str) -> dict[str, Check]:
    question = Question(places=PLACES, interfaces=wanted)
    return {c.name: c for c in judge(about, question)}


def test_a_laptop_on_ethernet_with_both_families_is_well() -> None:
    found = judged(facts(interface()))

    assert {c.status for c in found.values()} == {Status.PASS}
    assert found["Interface"].detail == "eth0 (Ethernet) 192.168.1.20/24"
    assert found["Attach to eth0"].detail.startswith("bridged (macvtap): the machine is")


def test_nothing_is_said_of_ipv6_on_a_tap_of_the_users() -> None:
    tap = interface("tap7", kind=InterfaceKind.TAP, index=12, addresses=())
    assert "IPv6" not in judged(facts(tap), "tap7")


def test_the_other_interfaces_that_could_be_named_are_told() -> None:
    unplugged = interface("eth1", index=9, up=False, addresses=())
    veth = interface("veth7", kind=InterfaceKind.VETH, index=11)
    found = judged(facts(interface(), wifi(), unplugged, veth))

    assert found["Other interfaces"].detail == "wlan0 (Wi-Fi), eth1 (Ethernet, down)"
    assert "Other interfaces" not in judged(facts(interface()))


def test_wifi_is_routed_with_a_word() -> None:
    check = judged(facts(wifi()))["Attach to wlan0"]

    assert check.status is Status.WARN
    assert "access point" in check.advice
    assert "Ethernet" in check.advice


def test_a_network_that_shall_be_routed_is_told_as_such() -> None:
    question = Question(places=PLACES, interfaces=("eth0",), routed=True)
    found = {c.name: c for c in judge(facts(interface()), question)}
    assert found["Attach to eth0"].detail == "routed"
    assert "leave `routed` out" in found["Attach to eth0"].advice


def test_missing_rights_fail_only_what_was_asked_for() -> None:
    about = facts(interface(), uid=1000)

    assert judged(about)["Attach to eth0"].status is Status.WARN
    asked = judged(about, "eth0")["Attach to eth0"]
    assert asked.status is Status.FAIL
    assert "sudo" in asked.advice


def test_a_vpn_is_told_with_what_it_means() -> None:
    check = judged(facts(interface(), vpn()))["VPN"]

    assert check.status is Status.WARN
    assert "goes past it" in check.detail
    assert "--iface wg0" in check.advice
    # macOS always has such: nobody's VPN
    idle = vpn("utun0", addresses=())
    assert judged(facts(interface(), idle))["VPN"].status is Status.PASS


@pytest.mark.parametrize(
    "more", [{"addresses": ("192.168.1.20/24",)}, {"gateways": ("192.168.1.1",)}]
)
def test_a_network_without_ipv6_is_told(more: dict[str, tuple[str, ...]]) -> None:
    assert judged(facts(interface(**more)))["IPv6"].status is Status.WARN


def test_an_interface_without_an_address_is_told() -> None:
    check = judged(facts(interface(addresses=(), gateways=())))["Interface"]
    assert check.status is Status.WARN
    assert "DHCP" in check.advice


@pytest.mark.parametrize(
    ("about", "wanted", "status", "words"),
    [
        (facts(interface(up=False)), ("eth0",), Status.FAIL, "eth0 (Ethernet, down)"),
        (facts(interface(up=False)), (), Status.WARN, "no network interface leads anywhere"),
        (facts(interface()), ("eth9",), Status.FAIL, "no network interface 'eth9'"),
    ],
)
def test_an_interface_that_cannot_be_used_is_named(
    about: HostFacts, wanted: tuple[str, ...], status: Status, words: str
) -> None:
    check = judged(about, *wanted)["Interface"]
    assert check.status is status
    assert words in check.detail
    assert check.advice


def test_where_nothing_can_be_attached_that_is_told() -> None:
    check = judged(facts(interface(), platform="freebsd14"), "eth0")["Attach to eth0"]
    assert check.status is Status.FAIL
    assert "embedded network" in check.advice
