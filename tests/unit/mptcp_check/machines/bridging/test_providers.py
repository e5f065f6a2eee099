import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_interfaces import interface, wifi
from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging.providers import (
    BridgedInterface,
    LibvirtSource,
    libvirt_source,
    virtualbox_interfaces,
    virtualbox_name,
)
from mptcp_check.machines.network_interface import InterfaceKind

BRIDGEDIFS = """\
Name:            en0: Wi-Fi
GUID:            00306e65-0000-4000-8000-3c22fb010203
DHCP:            Disabled
IPAddress:       192.168.1.20
NetworkMask:     255.255.255.0
IPV6Address:
IPV6NetworkMaskPrefixLength: 0
HardwareAddress: 3c:22:fb:01:02:03
MediumType:      Ethernet
Wireless:        Yes
Status:          Up
VBoxNetworkName: HostInterfaceNetworking-en0

Name:            en7: USB 10/100/1000 LAN
GUID:            00376e65-0000-4000-8000-00e04c680001
HardwareAddress: 00:E0:4C:68:00:01
MediumType:      Ethernet
Wireless:        No
Status:          Down
VBoxNetworkName: HostInterfaceNetworking-en7

"""


def test_virtualbox_lists_names_word_for_word() -> None:
    assert virtualbox_interfaces(BRIDGEDIFS) == (
        BridgedInterface(name="en0: Wi-Fi", mac="3c:22:fb:01:02:03", wireless=True, up=True),
        BridgedInterface(
            name="en7: USB 10/100/1000 LAN", mac="00:e0:4c:68:00:01", wireless=False, up=False
        ),
    )


def test_an_interface_is_found_by_name_and_else_by_its_address() -> None:
    assert virtualbox_name(wifi("en0"), BRIDGEDIFS) == "en0: Wi-Fi"
    renamed = interface("lan", mac="00:e0:4c:68:00:01")
    assert virtualbox_name(renamed, BRIDGEDIFS) == "en7: USB 10/100/1000 LAN"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (BRIDGEDIFS, "VirtualBox does not bridge to en1"),
        ("", "names no interface"),
        ("WARNING: The vboxdrv kernel module is not loaded", "names no interface"),
    ],
)
def test_an_interface_that_virtualbox_does_not_list_is_told(said: str, words: str) -> None:
    with pytest.raises(PreflightError, match=words):
        virtualbox_name(interface("en1", mac="3c:22:fb:00:00:00"), said)


@given(st.text())
def test_whatever_virtualbox_prints_is_read(said: str) -> None:
    assert all(one.name for one in virtualbox_interfaces(said))


@pytest.mark.parametrize(
    ("one", "source"),
    [
        (interface(), LibvirtSource(name="eth0", direct=True)),
        (interface(master="br0"), LibvirtSource(name="br0", direct=False)),
        (interface("br0", kind=InterfaceKind.BRIDGE), LibvirtSource(name="br0", direct=False)),
    ],
)
def test_libvirt_takes_a_bridge_or_a_macvtap(one: object, source: LibvirtSource) -> None:
    assert libvirt_source(one) == source  # type: ignore[arg-type] # an interface


def test_libvirt_cannot_bridge_wifi() -> None:
    with pytest.raises(PreflightError, match="libvirt cannot bridge to wlan0"):
        libvirt_source(wifi())
