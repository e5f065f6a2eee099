"""Linux's interfaces: what ``ip -j`` and sysfs say (pure), and asking them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from mptcp_check.errors import PreflightError
from mptcp_check.machines import process
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

SYSFS = Path("/sys/class/net")
TIMEOUT_S = 10.0
UNREADABLE_HINT = "run `ip -j -d address show` by hand; iproute2 4.18 or newer is needed"

KINDS: Mapping[str, InterfaceKind] = {
    "bond": InterfaceKind.ETHERNET,
    "bridge": InterfaceKind.BRIDGE,
    "openvswitch": InterfaceKind.BRIDGE,
    "ppp": InterfaceKind.VPN,
    "team": InterfaceKind.ETHERNET,
    "veth": InterfaceKind.VETH,
    "vlan": InterfaceKind.ETHERNET,
    "wireguard": InterfaceKind.VPN,
    "wwan": InterfaceKind.CELLULAR,
}
"""By iproute2's ``info_kind``; one that is not here is virtual."""

DEVICE_TYPES: Mapping[str, InterfaceKind] = {
    "wlan": InterfaceKind.WIFI,
    "wwan": InterfaceKind.CELLULAR,
}
"""By DEVTYPE in a device's uevent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What sysfs tells and netlink does not."""

    device_type: str = ""
    """DEVTYPE of the uevent."""
    hardware: bool = False
    """There is a device behind it, be it emulated."""
    owner_uid: int | None = None
    """Who may open a tun or tap."""


def list_interfaces() -> tuple[HostInterface, ...]:
    """Return the interfaces of this network namespace.

    Raises:
        PreflightError: ip is not installed or too old.
    """
    said = [
        process.run(["ip", *words], timeout_s=TIMEOUT_S).stdout
        for words in (
            ("-j", "-d", "address", "show"),
            ("-j", "-4", "route", "show", "default"),
            ("-j", "-6", "route", "show", "default"),
        )
    ]
    return interfaces(said[0], routes=said[1:], devices=_devices(SYSFS))


def interfaces(
    addresses: bytes, *, routes: Iterable[bytes] = (), devices: Mapping[str, Device] | None = None
) -> tuple[HostInterface, ...]:
    """Return the interfaces that iproute2 described; PURE.

    Args:
        addresses: ``ip -j -d address show``.
        routes: ``ip -j route show default``, one per family.
        devices: What sysfs says, by interface.

    Raises:
        PreflightError: ``addresses`` is not what iproute2 writes.
    """
    links = _objects(addresses)
    if not links:
        raise PreflightError("ip says nothing of any interface", hint=UNREADABLE_HINT)
    defaults = [route for said in routes for route in _objects(said)]
    found = [_interface(link, defaults, devices or {}) for link in links]
    return tuple(interface for interface in found if interface is not None)


def _interface(
    link: Mapping[str, Any], defaults: Iterable[Mapping[str, Any]], devices: Mapping[str, Device]
) -> HostInterface | None:
    name, index, flags = link.get("ifname"), link.get("ifindex"), link.get("flags")
    if not isinstance(name, str) or not isinstance(index, int) or not isinstance(flags, list):
        return None
    device = devices.get(name, Device())
    mine = [route for route in defaults if route.get("dev") == name]
    return HostInterface(
        name=name,
        kind=_kind(link, device),
        up="UP" in flags and "LOWER_UP" in flags,
        switched_on="UP" in flags,
        index=index,
        mac=_text(link, "address") if link.get("link_type") == "ether" else "",
        mtu_bytes=_number(link, "mtu", 1500),
        addresses=tuple(_addresses(link)),
        gateways=tuple(g for route in mine if (g := _text(route, "gateway"))),
        default_metric=min((_number(route, "metric", 0) for route in mine), default=None),
        master=_text(link, "master"),
        owner_uid=device.owner_uid,
    )


def _kind(link: Mapping[str, Any], device: Device) -> InterfaceKind:
    if link.get("link_type") == "loopback":
        return InterfaceKind.LOOPBACK
    if device.device_type in DEVICE_TYPES:
        return DEVICE_TYPES[device.device_type]
    about = link.get("linkinfo")
    about = about if isinstance(about, dict) else {}
    kind = about.get("info_kind")
    if kind == "tun":
        data = about.get("info_data")
        is_tap = isinstance(data, dict) and data.get("type") == "tap"
        return InterfaceKind.TAP if is_tap else InterfaceKind.VPN
    if kind is None and device.hardware:
        return InterfaceKind.ETHERNET
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    flags = link.get("flags")
    tunnel = isinstance(flags, list) and "POINTOPOINT" in flags
    return InterfaceKind.VPN if tunnel else InterfaceKind.VIRTUAL


def _addresses(link: Mapping[str, Any]) -> Iterator[str]:
    entries = link.get("addr_info")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        local, length = _text(entry, "local"), entry.get("prefixlen")
        if entry.get("scope") == "link" or not isinstance(length, int):
            continue
        try:
            address = ip_address(local)
        except ValueError:
            continue
        if 0 <= length <= address.max_prefixlen:
            yield f"{address}/{length}"


def _objects(said: bytes) -> list[dict[str, Any]]:
    try:
        read = json.loads(said)
    except (ValueError, RecursionError):
        return []
    return [entry for entry in read if isinstance(entry, dict)] if isinstance(read, list) else []


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _number(entry: Mapping[str, Any], name: str, default: int) -> int:
    value = entry.get(name)
    return value if isinstance(value, int) else default


def _devices(sysfs: Path) -> dict[str, Device]:
    return {path.name: _device(path) for path in sysfs.iterdir()} if sysfs.is_dir() else {}


def _device(path: Path) -> Device:
    owner = _content(path / "owner").strip()
    types = [
        line.removeprefix("DEVTYPE=")
        for line in _content(path / "uevent").splitlines()
        if line.startswith("DEVTYPE=")
    ]
    return Device(
        device_type=types[0] if types else "",
        hardware=(path / "device").exists(),
        owner_uid=int(owner) if owner.isdigit() else None,
    )


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone meanwhile, or not of this kind
        return ""
