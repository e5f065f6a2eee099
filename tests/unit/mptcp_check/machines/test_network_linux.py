import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mptcp_check.errors import PreflightError
from mptcp_check.machines.network_interface import InterfaceKind
from mptcp_check.machines.network_linux import Device, interfaces

UP = ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]


def link(index: int, name: str, **more: object) -> dict[str, object]:
    """One entry as ``ip -j -d address show`` (iproute2 6.1) writes it."""
    entry: dict[str, object] = {
        "ifindex": index,
        "ifname": name,
        "flags": UP,
        "mtu": 1500,
        "qdisc": "noqueue",
        "operstate": "UP",
        "link_type": "ether",
        "address": f"3c:97:0e:00:00:{index:02x}",
        "broadcast": "ff:ff:ff:ff:ff:ff",
        "addr_info": [],
    }
    return {**entry, **more}


def address(family: str, local: str, length: int, scope: str = "global") -> dict[str, object]:
    return {"family": family, "local": local, "prefixlen": length, "scope": scope}


LAPTOP = [
    link(
        1,
        "lo",
        link_type="loopback",
        flags=["LOOPBACK", "UP", "LOWER_UP"],
        addr_info=[address("inet", "127.0.0.1", 8, "host")],
    ),
    link(2, "enp0s31f6", flags=["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"], operstate="DOWN"),
    link(
        3,
        "wlp2s0",
        addr_info=[
            address("inet", "192.168.1.20", 24),
            address("inet6", "2001:db8::20", 64),
            address("inet6", "fe80::20", 64, "link"),
        ],
    ),
    link(
        4,
        "wg0",
        link_type="none",
        flags=["POINTOPOINT", "NOARP", "UP", "LOWER_UP"],
        mtu=1420,
        linkinfo={"info_kind": "wireguard"},
        addr_info=[address("inet", "10.8.0.2", 32)],
    ),
    link(5, "docker0", linkinfo={"info_kind": "bridge", "info_data": {}}),
    link(6, "veth1", linkinfo={"info_kind": "veth"}, master="docker0"),
    link(7, "mytap", linkinfo={"info_kind": "tun", "info_data": {"type": "tap", "user": "me"}}),
    link(
        8,
        "tun0",
        link_type="none",
        linkinfo={"info_kind": "tun", "info_data": {"type": "tun"}},
    ),
    link(9, "dummy0", linkinfo={"info_kind": "dummy"}),
    link(10, "wwan0", link_type="rawip", flags=["POINTOPOINT", "NOARP", "UP", "LOWER_UP"]),
    link(11, "enp0s31f6.7", linkinfo={"info_kind": "vlan"}),
    link(12, "gre7", link_type="gre", flags=["POINTOPOINT", "UP"], linkinfo={"info_kind": "gre"}),
]
DEVICES = {
    "enp0s31f6": Device(hardware=True),
    "wlp2s0": Device(hardware=True, device_type="wlan"),
    "wwan0": Device(hardware=True, device_type="wwan"),
    "mytap": Device(owner_uid=1000),
}
ROUTES = [
    [
        {"dst": "default", "gateway": "192.168.1.1", "dev": "wlp2s0", "metric": 600},
        {"dst": "default", "dev": "wg0", "scope": "link"},
    ],
    [{"dst": "default", "gateway": "fe80::1", "dev": "wlp2s0", "metric": 1024}],
]


def found() -> dict[str, InterfaceKind]:
    listed = interfaces(json.dumps(LAPTOP).encode(), devices=DEVICES)
    return {i.name: i.kind for i in listed}


def test_each_interface_has_its_kind() -> None:
    assert found() == {
        "lo": InterfaceKind.LOOPBACK,
        "enp0s31f6": InterfaceKind.ETHERNET,
        "wlp2s0": InterfaceKind.WIFI,
        "wg0": InterfaceKind.VPN,
        "docker0": InterfaceKind.BRIDGE,
        "veth1": InterfaceKind.VETH,
        "mytap": InterfaceKind.TAP,
        "tun0": InterfaceKind.VPN,
        "dummy0": InterfaceKind.VIRTUAL,
        "wwan0": InterfaceKind.CELLULAR,
        "enp0s31f6.7": InterfaceKind.ETHERNET,
        "gre7": InterfaceKind.VPN,
    }


def test_addresses_routes_carrier_and_owners_are_read() -> None:
    routes = [json.dumps(r).encode() for r in ROUTES]
    listed = interfaces(json.dumps(LAPTOP).encode(), routes=routes, devices=DEVICES)
    by_name = {i.name: i for i in listed}

    wifi = by_name["wlp2s0"]
    assert wifi.up
    assert wifi.addresses == ("192.168.1.20/24", "2001:db8::20/64")
    assert wifi.gateways == ("192.168.1.1", "fe80::1")
    assert wifi.default_metric == 600
    assert (wifi.gateway(4), wifi.gateway(6)) == ("192.168.1.1", "fe80::1")
    assert not by_name["enp0s31f6"].up
    assert by_name["wg0"].default_metric == 0
    assert by_name["wg0"].mac == ""
    assert by_name["wg0"].mtu_bytes == 1420
    assert by_name["veth1"].master == "docker0"
    assert by_name["mytap"].owner_uid == 1000


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'Object "address" is unknown', b"[1, null]"])
def test_an_ip_that_says_nothing_is_named(said: bytes) -> None:
    with pytest.raises(PreflightError, match="ip says nothing"):
        interfaces(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*LAPTOP[2], "linkinfo", "master", "info_kind"]), inner)
    ),
    max_leaves=20,
)


@given(st.lists(JSON.filter(lambda v: isinstance(v, dict)), min_size=1, max_size=3), st.lists(JSON))
@example([{**LAPTOP[2], "addr_info": [None, 1, {"local": 1, "prefixlen": 1}, {}]}], [])
def test_whatever_ip_writes_is_read_or_refused(links: list[object], routes: list[object]) -> None:
    listed = interfaces(json.dumps(links).encode(), routes=[json.dumps(routes).encode()])

    assert all(isinstance(i.kind, InterfaceKind) for i in listed)
    assert all(isinstance(i.networks(), tuple) for i in listed)


@given(st.binary())
def test_no_bytes_of_ip_raise_anything_else(said: bytes) -> None:
    try:
        interfaces(said, routes=[said])
    except PreflightError as error:
        assert error.hint  # noqa: PT017 - any bytes may also be fine


@pytest.mark.parametrize(
    ("flags", "up", "switched_on"),
    [(UP, True, True), (["UP", "NO-CARRIER"], False, True), (["BROADCAST"], False, False)],
)
def test_switched_on_and_up_are_told_apart(
    flags: list[str],
    up: bool,  # noqa: FBT001 - of the table
    switched_on: bool,  # noqa: FBT001 - of the table
) -> None:
    (found,) = interfaces(json.dumps([link(7, "mytap", flags=flags)]).encode())
    assert (found.up, found.switched_on) == (up, switched_on)
