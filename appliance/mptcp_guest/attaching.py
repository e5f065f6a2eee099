"""How an interface comes into the lab's namespace: moved, a card of its own, or routed.

A macvlan is one more card on the network of its parent; what the parent may merge on reception is
switched off for as long as the lab stands.  Where the network takes one card only (Wi-Fi) a pair
of interfaces is forwarded: the kernel's address translation changes addresses and no option.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mptcp_guest import messages
from mptcp_guest.lab import Lab
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.survey import gateways
from mptcp_guest.waiting import Deadline

POOL = ipaddress.IPv4Network("100.100.64.0/20")
"""Of shared address space (RFC 6598), seldom used on a laptop; what is, is stepped over."""
PREFIX_LENGTH = 30
FIRST_NUMBER = 7700
"""Routing table and rule preference of the first routed interface."""

MERGING: Mapping[str, str] = {
    "gro": "generic-receive-offload",
    "lro": "large-receive-offload",
}
"""Of a macvlan's parent: it merges packets before the macvlan sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A routed interface's way: all that its commands need."""

    number: int
    network: ipaddress.IPv4Network
    parent: str
    next_hop: str
    """Of the parent's default route; empty when it has none."""
    subnets: tuple[str, ...]
    """What the parent reaches without a next hop."""

    @property
    def peer(self) -> str:
        """The end that stays on the machine."""
        return f"mcr{self.number}"

    @property
    def addresses(self) -> tuple[str, str]:
        """The machine's and the lab's."""
        ours, theirs = list(self.network.hosts())[:2]
        return str(ours), str(theirs)


def attach(
    lab: Lab, interfaces: Iterable[messages.Interface], until: Deadline
) -> list[messages.Interface]:
    """Bring interfaces into the namespace and return them with their addresses, as far as known.

    Raises:
        RefusalError: The kernel cannot, or a tool is missing.
    """
    moved, attached = [], []
    for interface in interfaces:
        how = interface.get("attach")
        if how == "routed":
            attached.append(_routed(lab, interface, until))
            continue
        if how == "macvlan":
            _macvlan(lab, interface, until)
        else:
            moved.append(checked_name(interface["name"]))
        attached.append(interface)
    if moved:
        where = ["netns", lab.namespace_name()]
        lab.ip_batch(["ip"], (["link", "set", "dev", name, *where] for name in moved), until)
    return attached


def parent_of(interface: messages.Interface) -> str:
    """Return on whose network an interface is; its own name when it is that itself."""
    return checked_name(interface.get("parent", interface["name"]))


def merging(features: str) -> list[str]:
    """Return what ``ethtool -k`` says merges on reception and can be switched off; PURE."""
    return [
        short
        for short, long in MERGING.items()
        if re.search(rf"^{long}: on(?! \[fixed\])", features, re.MULTILINE)
    ]


def free_number(rules: str) -> int:
    """Return the first number that no rule of ``ip -j rule`` uses; PURE."""
    used = {rule.get("priority") for rule in json.loads(rules)}
    return next(n for n in range(FIRST_NUMBER, FIRST_NUMBER + len(used) + 1) if n not in used)


def free_network(routes: str) -> ipaddress.IPv4Network:
    """Return the first small network of the pool that no route of ``ip -j route`` touches; PURE.

    Raises:
        RefusalError: There is none left.
    """
    texts = (row.get("dst", "") for row in json.loads(routes))
    used = [ipaddress.IPv4Network(t, strict=False) for t in texts if t[:1].isdigit()]
    found = POOL.subnets(new_prefix=PREFIX_LENGTH)
    for network in found:
        if not any(network.overlaps(other) for other in used if other.prefixlen):
            return network
    raise RefusalError("failed", f"all of {POOL} is in use")


def routed_commands(route: Route) -> Iterator[list[str]]:
    """Give the commands that forward and translate for a routed interface; PURE."""
    number, table = str(route.number), f"mptcp_check_{route.number}"
    ours = route.addresses[0]
    yield ["ip", "address", "add", f"{ours}/{PREFIX_LENGTH}", "dev", route.peer]
    yield ["ip", "link", "set", "dev", route.peer, "up"]
    for subnet in route.subnets:
        yield ["ip", "route", "add", subnet, "dev", route.parent, "table", number]
    if route.next_hop:
        via = ["via", route.next_hop, "dev", route.parent]
        yield ["ip", "route", "add", "default", *via, "table", number]
    yield ["ip", "rule", "add", "from", str(route.network), "table", number, "preference", number]
    for interface in (route.peer, route.parent):
        yield ["sysctl", "-qw", f"net/ipv4/conf/{interface}/forwarding=1"]
    # answers come back by the parent, whatever the main table would prefer
    yield ["sysctl", "-qw", f"net/ipv4/conf/{route.parent}/rp_filter=2"]
    chain = "{ type nat hook postrouting priority srcnat; }"
    yield ["nft", f"add table ip {table}"]
    yield ["nft", f"add chain ip {table} leaving {chain}"]
    what = f'ip saddr {route.network} oifname "{route.parent}" masquerade'
    yield ["nft", f"add rule ip {table} leaving {what}"]


def undo_commands(route: Route, before: Mapping[str, str]) -> Iterator[list[str]]:
    """Give what takes a routed interface away, in the order of its making; PURE.

    Args:
        route: Whose.
        before: The parent's settings as they were.
    """
    number = str(route.number)
    yield ["ip", "link", "del", route.peer]
    yield ["ip", "route", "flush", "table", number]
    yield ["ip", "rule", "del", "preference", number]
    for name, value in before.items():
        yield ["sysctl", "-qw", f"net/ipv4/conf/{route.parent}/{name}={value}"]
    yield ["nft", f"delete table ip mptcp_check_{number}"]


def _macvlan(lab: Lab, interface: messages.Interface, until: Deadline) -> None:
    parent, name = parent_of(interface), checked_name(interface["name"])
    features = lab.run(["ethtool", "-k", parent], until).stdout.decode(errors="replace")
    for short in merging(features):
        lab.undo.add(["ethtool", "-K", parent, short, "on"])
        lab.run(["ethtool", "-K", parent, short, "off"], until)
    where = ["netns", lab.namespace_name()]
    kind = ["type", "macvlan", "mode", "bridge"]
    lab.succeed(["ip", "link", "add", "link", parent, "name", name, *where, *kind], until)
    # segmentation by the card cannot be switched off on a macvlan; so TCP gives it nothing to do
    lab.succeed(lab.ip("link", "set", "dev", name, "gso_max_segs", "1"), until)


def _routed(lab: Lab, interface: messages.Interface, until: Deadline) -> messages.Interface:
    parent, name = parent_of(interface), checked_name(interface["name"])

    def routes(*words: str) -> str:
        return lab.succeed(["ip", "-j", "-4", "route", "show", *words], until)

    direct = json.loads(routes("dev", parent, "scope", "link"))
    hops = gateways([routes("default")], parent)
    route = Route(
        number=free_number(lab.succeed(["ip", "-j", "-4", "rule", "show"], until)),
        network=free_network(routes("table", "all")),
        parent=parent,
        next_hop=hops[0] if hops else "",
        subnets=tuple(row["dst"] for row in direct if row["dst"] != "default"),
    )
    before = {
        setting: lab.succeed(["sysctl", "-n", f"net/ipv4/conf/{parent}/{setting}"], until).strip()
        for setting in ("forwarding", "rp_filter")
    }
    lab.undo.add(*undo_commands(route, before))
    where = ["netns", lab.namespace_name()]
    pair = ["type", "veth", "peer", "name", route.peer]
    lab.succeed(["ip", "link", "add", "name", name, *where, *pair], until)
    off = [word for short in ("tx", "sg", "tso", "gso", "gro") for word in (short, "off")]
    lab.run(["ethtool", "-K", route.peer, *off], until)
    for command in routed_commands(route):
        lab.succeed(command, until)
    ours, theirs = route.addresses
    return messages.Interface(
        name=name,
        addresses=[f"{theirs}/{PREFIX_LENGTH}"],
        gateways=[ours],
        attach="routed",
        parent=parent,
    )
