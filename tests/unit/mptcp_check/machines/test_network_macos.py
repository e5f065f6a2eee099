import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import PreflightError
from mptcp_check.machines.network_interface import InterfaceKind
from mptcp_check.machines.network_macos import default_routes, hardware_ports, interfaces

IFCONFIG = """\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
\tnd6 options=201<PERFORMNUD,DAD>
gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280
stf0: flags=0<> mtu 1280
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\toptions=6463<RXCSUM,TXCSUM,TSO4,TSO6,CHANNEL_IO,PARTIAL_CSUM,ZEROINVERT_CSUM>
\tether 3c:22:fb:01:02:03
\tinet6 fe80::c8a:3b2f:1e9d:6a5%en0 prefixlen 64 secured scopeid 0xb
\tinet 192.168.1.20 netmask 0xffffff00 broadcast 192.168.1.255
\tinet6 2001:db8:1::20 prefixlen 64 autoconf secured
\tnd6 options=201<PERFORMNUD,DAD>
\tmedia: autoselect
\tstatus: active
en1: flags=8963<UP,BROADCAST,SMART,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
\toptions=460<TSO4,TSO6,CHANNEL_IO>
\tether 36:2d:aa:bb:cc:00
\tmedia: autoselect <full-duplex>
\tstatus: inactive
en7: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 00:e0:4c:68:00:01
\tinet 10.0.0.7 netmask 0xfffff000 broadcast 10.0.15.255
\tmedia: autoselect (1000baseT <full-duplex>)
\tstatus: active
en8: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 02:de:ad:be:ef:08
\tinet 172.20.10.2 netmask 0xfffffff0 broadcast 172.20.10.15
\tstatus: active
awdl0: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1484
\tether 6e:79:61:01:02:03
\tinet6 fe80::6c79:61ff:fe01:203%awdl0 prefixlen 64 scopeid 0xd
\tstatus: active
bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 36:2d:aa:bb:cc:00
\tmember: en1 flags=3<LEARNING,DISCOVER>
\tstatus: inactive
utun0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380
\tinet6 fe80::5de5:1a3c:2b11:9f0e%utun0 prefixlen 64 scopeid 0xf
utun4: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1420
\tinet 10.8.0.2 --> 10.8.0.2 netmask 0xffffff00
"""

PORTS = """
Hardware Port: Ethernet Adapter (en1)
Device: en1
Ethernet Address: 36:2d:aa:bb:cc:00

Hardware Port: Thunderbolt Bridge
Device: bridge0
Ethernet Address: 36:2d:aa:bb:cc:00

Hardware Port: Wi-Fi
Device: en0
Ethernet Address: 3c:22:fb:01:02:03

Hardware Port: USB 10/100/1000 LAN
Device: en7
Ethernet Address: 00:e0:4c:68:00:01

Hardware Port: iPhone USB
Device: en8
Ethernet Address: 02:de:ad:be:ef:08

VLAN Configurations
===================
"""

NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            10.0.0.1           UGScg                 en7
default            192.168.1.1        UGScIg                en0
default            link#17            UCSIg           bridge100      !
127                127.0.0.1          UCS                   lo0

Internet6:
Destination          Gateway            Flags               Netif Expire
default              fe80::1%en0        UGcg                  en0
default              fe80::%utun0       UGcIg               utun0
"""


def test_each_interface_has_its_kind_carrier_and_label() -> None:
    listed = interfaces(IFCONFIG, ports=hardware_ports(PORTS), routes=default_routes(NETSTAT))

    assert {i.name: (i.kind, i.up, i.label) for i in listed} == {
        "lo0": (InterfaceKind.LOOPBACK, True, ""),
        "gif0": (InterfaceKind.VIRTUAL, False, ""),
        "stf0": (InterfaceKind.VIRTUAL, False, ""),
        "en0": (InterfaceKind.WIFI, True, "Wi-Fi"),
        "en1": (InterfaceKind.ETHERNET, False, "Ethernet Adapter (en1)"),
        "en7": (InterfaceKind.ETHERNET, True, "USB 10/100/1000 LAN"),
        "en8": (InterfaceKind.CELLULAR, True, "iPhone USB"),
        "awdl0": (InterfaceKind.VIRTUAL, True, ""),
        "bridge0": (InterfaceKind.BRIDGE, False, "Thunderbolt Bridge"),
        "utun0": (InterfaceKind.VPN, True, ""),
        "utun4": (InterfaceKind.VPN, True, ""),
    }


def test_addresses_and_the_order_of_default_routes_are_read() -> None:
    listed = interfaces(IFCONFIG, ports=hardware_ports(PORTS), routes=default_routes(NETSTAT))
    by_name = {i.name: i for i in listed}

    wifi, cable = by_name["en0"], by_name["en7"]
    assert wifi.addresses == ("192.168.1.20/24", "2001:db8:1::20/64")
    assert wifi.gateways == ("192.168.1.1", "fe80::1%en0")
    assert wifi.mac == "3c:22:fb:01:02:03"
    assert cable.addresses == ("10.0.0.7/20",)
    assert cable.default_metric is not None
    assert wifi.default_metric is not None
    assert cable.default_metric < wifi.default_metric
    assert by_name["utun0"].addresses == ()
    assert by_name["utun4"].addresses == ("10.8.0.2/24",)


def test_an_ifconfig_that_says_nothing_is_named() -> None:
    with pytest.raises(PreflightError, match="ifconfig says nothing"):
        interfaces("command not found", ports={}, routes=())


@given(st.text(), st.text(), st.text())
def test_whatever_the_tools_write_is_read_or_refused(said: str, ports: str, routes: str) -> None:
    text = f"en0: flags=8863<UP> mtu 1500\n\tinet {said} netmask 0xff\n\tinet6 {said} prefixlen 9\n"
    listed = interfaces(text + said, ports=hardware_ports(ports), routes=default_routes(routes))

    assert listed[0].name == "en0"
