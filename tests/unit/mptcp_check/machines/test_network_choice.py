import pytest

from host_interfaces import interface, vpn, wifi
from mptcp_check.errors import MptcpCheckError, PreflightError, UsageError
from mptcp_check.machines.network import choose
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

LO = interface("lo", kind=InterfaceKind.LOOPBACK, index=1)


def names(chosen: tuple[HostInterface, ...]) -> list[str]:
    return [i.name for i in chosen]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ([LO, interface(), wifi()], "eth0"),
        ([interface(default_metric=700), wifi()], "wlan0"),
        ([wifi(), vpn(default_metric=0)], "wlan0"),  # the VPN's own traffic leaves by it
        ([interface(up=False), wifi()], "wlan0"),
        ([interface("br0", kind=InterfaceKind.BRIDGE)], "br0"),
        ([wifi(default_metric=None), interface(default_metric=None)], "eth0"),
    ],
)
def test_without_a_name_the_best_way_out_is_taken(there: list[HostInterface], chosen: str) -> None:
    assert names(choose(there)) == [chosen]


def test_several_interfaces_are_several_networks_in_the_users_order() -> None:
    assert names(choose([interface(), wifi()], ("wlan0", "eth0"))) == ["wlan0", "eth0"]


def test_a_vpn_and_a_tap_without_carrier_are_taken_when_named() -> None:
    there = [vpn(), interface("mine", kind=InterfaceKind.TAP, up=False)]
    assert names(choose(there, ("wg0", "mine"))) == ["wg0", "mine"]


@pytest.mark.parametrize(
    ("there", "wanted", "error", "words"),
    [
        ([interface()], ("eth9",), UsageError, "there is no network interface 'eth9'"),
        ([interface()], ("eth0", "eth0"), UsageError, "eth0 is named twice"),
        ([LO], ("lo",), UsageError, "lo (loopback) leads nowhere"),
        ([wifi(up=False)], ("wlan0",), PreflightError, "wlan0 (Wi-Fi, down)"),
        ([LO, vpn()], (), PreflightError, "no network interface leads anywhere"),
        ([], (), PreflightError, "no network interface leads anywhere"),
    ],
)
def test_what_cannot_be_measured_over_is_named(
    there: list[HostInterface], wanted: tuple[str, ...], error: type[MptcpCheckError], words: str
) -> None:
    with pytest.raises(error) as caught:
        choose(there, wanted)
    assert words in caught.value.message
    assert caught.value.hint
