"""macOS's interfaces: what ifconfig, networksetup and netstat say (pure), and asking them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, ip_address

from mptcp_check.errors import PreflightError
from mptcp_check.machines import process
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

TIMEOUT_S = 10.0

PORTS: tuple[tuple[str, InterfaceKind], ...] = (
    (r".*(Wi-Fi|AirPort)", InterfaceKind.WIFI),
    (r".*(iPhone|iPad|Mobile|WWAN)", InterfaceKind.CELLULAR),
    (r".*Bridge", InterfaceKind.BRIDGE),
    (r".*", InterfaceKind.ETHERNET),
)
"""Kinds by the name of the hardware port; the first that fits."""

NAMES: tuple[tuple[str, InterfaceKind], ...] = (
    (r"lo\d+", InterfaceKind.LOOPBACK),
    (r"(utun|ipsec|ppp|tun)\d+", InterfaceKind.VPN),
    (r"bridge\d+", InterfaceKind.BRIDGE),
    (r"tap\d+", InterfaceKind.TAP),
    (r".*", InterfaceKind.VIRTUAL),
)
"""Kinds by name, for interfaces that are no hardware port; the first that fits."""

METRIC_STEP = 100
"""netstat gives default routes in their order and no number; so it becomes one."""


def list_interfaces() -> tuple[HostInterface, ...]:
    """Return the interfaces of this Mac.

    Raises:
        PreflightError: A tool is missing or says nothing that can be read.
    """
    described, ports, routes = (
        process.run(argv, timeout_s=TIMEOUT_S).stdout.decode(errors="replace")
        for argv in (
            ["ifconfig", "-a"],
            ["networksetup", "-listallhardwareports"],
            ["netstat", "-rn"],
        )
    )
    return interfaces(described, ports=hardware_ports(ports), routes=default_routes(routes))


def interfaces(
    described: str, *, ports: Mapping[str, str], routes: Iterable[tuple[str, str]]
) -> tuple[HostInterface, ...]:
    """Return the interfaces that ifconfig described; PURE.

    Args:
        described: ``ifconfig -a``.
        ports: From `hardware_ports`.
        routes: From `default_routes`.

    Raises:
        PreflightError: ``described`` is not what ifconfig writes.
    """
    defaults = tuple(routes)
    blocks = re.split(r"(?m)^(?=\S+: flags=)", described)
    found = [
        _interface(block, index, ports, defaults)
        for index, block in enumerate((b for b in blocks if re.match(r"\S+: flags=", b)), 1)
    ]
    if not found:
        raise PreflightError(
            "ifconfig says nothing of any interface", hint="run `ifconfig -a` by hand"
        )
    return tuple(found)


def hardware_ports(said: str) -> dict[str, str]:
    """Return the ports' names by interface (``networksetup -listallhardwareports``); PURE."""
    pairs = re.findall(r"(?m)^Hardware Port: (.+)\nDevice: (\S+)", said)
    return {device: port.strip() for port, device in pairs}


def default_routes(said: str) -> tuple[tuple[str, str], ...]:
    """Return next hop and interface of default routes (``netstat -rn``), the best first; PURE."""
    lines = (line.split() for line in said.splitlines())
    return tuple((w[1], w[3]) for w in lines if len(w) >= 4 and w[0] == "default")  # noqa: PLR2004


def _interface(
    block: str, index: int, ports: Mapping[str, str], defaults: tuple[tuple[str, str], ...]
) -> HostInterface:
    name = block.partition(":")[0]
    flags = re.search(r"flags=[0-9a-f]+<([^>]*)>", block)
    words = flags.group(1).split(",") if flags else []
    mac = re.search(r"(?m)^\s+ether ([0-9a-f:]{17})", block)
    mtu = re.search(r"mtu (\d{1,9})", block)
    inactive = re.search(r"(?m)^\s+status: inactive", block)
    port = ports.get(name, "")
    table, text = (PORTS, port) if port else (NAMES, name)
    places = [place for place, (_, device) in enumerate(defaults) if device == name]
    return HostInterface(
        name=name,
        kind=next(kind for pattern, kind in table if re.match(pattern, text)),
        up="UP" in words and "RUNNING" in words and inactive is None,
        index=index,
        mac=mac.group(1) if mac else "",
        mtu_bytes=int(mtu.group(1)) if mtu else 1500,
        addresses=tuple(_addresses(block)),
        gateways=tuple(dict.fromkeys(g for g, device in defaults if device == name and _is_hop(g))),
        default_metric=METRIC_STEP * places[0] if places else None,
        label=port,
    )


def _is_hop(text: str) -> bool:
    """Say whether it is an address; a route may also lead to ``link#17``."""
    return bool(list(_checked(text.partition("%")[0], 0))) or text.startswith("fe80::")


def _addresses(block: str) -> Iterator[str]:
    for text, mask in re.findall(r"(?m)^\s+inet (\S+) .*?netmask (0x[0-9a-f]{1,8})", block):
        yield from _checked(text, int(mask, 16).bit_count())
    for text, length in re.findall(r"(?m)^\s+inet6 (\S+) prefixlen (\d{1,3})", block):
        yield from _checked(text.partition("%")[0], int(length))


def _checked(text: str, length: int) -> Iterator[str]:
    try:
        address = ip_address(text)
    except ValueError:
        return
    link_local_v6 = address.is_link_local and not isinstance(address, IPv4Address)
    if length <= address.max_prefixlen and not link_local_v6:
        yield f"{address}/{length}"
