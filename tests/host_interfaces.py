"""Interfaces and facts of pretended laptops."""

from collections.abc import Mapping
from typing import Any

from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind


def interface(name: str = "eth0", **more: Any) -> HostInterface:  # noqa: ANN401 - its fields
    values: dict[str, Any] = {
        "name": name,
        "kind": InterfaceKind.ETHERNET,
        "up": True,
        "index": 2,
        "mac": "3c:97:0e:01:02:03",
        "addresses": ("192.168.1.20/24", "2001:db8:1::20/64"),
        "gateways": ("192.168.1.1", "fe80::1"),
        "default_metric": 100,
    }
    return HostInterface(**{**values, **more})


def wifi(name: str = "wlan0", **more: Any) -> HostInterface:  # noqa: ANN401 - its fields
    about = {"kind": InterfaceKind.WIFI, "index": 3, "default_metric": 600}
    return interface(name, **{**about, **more})


def vpn(name: str = "wg0", **more: Any) -> HostInterface:  # noqa: ANN401 - its fields
    about = {"kind": InterfaceKind.VPN, "index": 7, "mac": "", "addresses": ("10.8.0.2/32",)}
    return interface(name, **{**about, "gateways": (), "default_metric": 50, **more})


def facts(
    *interfaces: HostInterface,
    platform: str = "linux",
    uid: int = 0,
    sysctls: Mapping[str, str] | None = None,
    forward_policy_drops: bool = False,
    macos: int = 0,
) -> HostFacts:
    return HostFacts(
        platform=platform,
        uid=uid,
        interfaces=interfaces,
        sysctls=sysctls or {},
        forward_policy_drops=forward_policy_drops,
        macos=macos,
    )
