"""Routing a machine through this computer's kernel, each by the interface that was named; pure.

A private network on the tap, a routing table of its own to the interface's next hop, and a
masquerade: addresses and ports change, TCP and its options do not.  Forwarding is switched on for
the two interfaces in question, and an nftables table of ours drops whatever else that would let
through.  Private ranges: RFC 1918 and RFC 4193.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging.attachment import DEVICE_PREFIX, Command
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network_interface import HostInterface

FIRST_TABLE = 27_700
"""Routing tables and rule preferences of ours begin here; the interface's index is added."""

CANDIDATES = {
    4: ("10.213.{}.0/24", "172.29.{}.0/24", "192.168.{}.0/24"),
    6: ("fd6d:7074:6370:{:x}::/64", "fd6d:7074:6371:{:x}::/64"),
}

FAMILIES = {4: "ip", 6: "ip6"}
"""As nftables calls them."""

NOT_OURS = f'iifname != "{DEVICE_PREFIX}*" oifname != "{DEVICE_PREFIX}*" drop'

LOOSE = "2"
"""rp_filter: the server's answers come by this interface, whatever the main table says."""

Step = tuple[Command, Command]
"""What is done, and what undoes it; an empty one where the tap's end is the undoing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """The private network between the tap and the machine, in one family."""

    network: IPv4Network | IPv6Network
    next_hop: str
    """Of the interface; empty for a point-to-point link."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.network.version

    @property
    def gateway(self) -> IPv4Address | IPv6Address:
        """This computer's address on the tap."""
        return self.network[1]

    @property
    def machine(self) -> IPv4Address | IPv6Address:
        """The machine's address."""
        return self.network[2]


def subnets(interface: HostInterface, facts: HostFacts) -> tuple[Subnet, ...]:
    """Return a free private network for each family in which the interface leads somewhere.

    Raises:
        PreflightError: It leads nowhere, or every candidate is taken.
    """
    found = tuple(
        Subnet(network=_free(version, interface, facts), next_hop=interface.gateway(version) or "")
        for version in (4, 6)
        if interface.has_family(version)
        and (interface.gateway(version) is not None or not interface.mac)
    )
    if not found:
        raise PreflightError(
            f"{interface.title} has no address with a default route",
            hint="connect it to a network first (DHCP), or name another --iface",
        )
    return found


def steps(
    interface: HostInterface, device: str, subnets: Sequence[Subnet], facts: HostFacts
) -> tuple[Step, ...]:
    """Return what routes the machine, in order, each with its undoing.

    Args:
        interface: Where the packets leave.
        device: The tap, which is there.
        subnets: From `subnets`.
        facts: What is set already is left alone.
    """
    return tuple(_steps(interface, device, subnets, facts))


def _steps(
    interface: HostInterface, device: str, subnets: Sequence[Subnet], facts: HostFacts
) -> Iterator[Step]:
    table = f"mptcp_check_{interface.index}"
    rules = ruleset(table, interface, device, subnets, facts)
    # first: nothing must be forwarded that this table would drop
    yield ("nft", rules), ("nft", "delete", "table", "inet", table)
    yield ("ip", "link", "set", "dev", device, "up"), ()
    number = str(FIRST_TABLE + interface.index)
    for subnet in subnets:
        family = f"-{subnet.version}"
        local = f"{subnet.gateway}/{subnet.network.prefixlen}"
        flags = ("nodad",) if subnet.version == 6 else ()  # noqa: PLR2004
        yield ("ip", family, "address", "add", local, "dev", device, *flags), ()
        for near in _networks(interface, subnet.version):
            yield ("ip", family, "route", "add", near, "dev", interface.name, "table", number), ()
        via = ("via", subnet.next_hop) if subnet.next_hop else ()
        way = ("default", *via, "dev", interface.name, "table", number)
        yield (
            ("ip", family, "route", "add", *way),
            ("ip", family, "route", "flush", "table", number),
        )
        rule = ("iif", device, "lookup", number, "priority", number)
        yield ("ip", family, "rule", "add", *rule), ("ip", family, "rule", "del", *rule)
        yield from _forwarding(interface, device, subnet.version, facts)
    if facts.forward_policy_drops:
        for way in (("-i", device, "-o", interface.name), ("-i", interface.name, "-o", device)):
            allowed = ("FORWARD", *way, "-j", "ACCEPT")
            yield ("iptables", "-I", *allowed), ("iptables", "-D", *allowed)


def ruleset(
    table: str,
    interface: HostInterface,
    device: str,
    subnets: Sequence[Subnet],
    facts: HostFacts,
) -> str:
    """Return the nftables rules: the machine gets out, answers come back, and nothing else.

    The machine does not reach this computer's own services either.

    Args:
        table: Name of the table.
        interface: Where the packets leave.
        device: The tap.
        subnets: Networks of the machine.
        facts: What was not forwarded before is not forwarded for anybody else now.
    """
    out = f'oifname "{interface.name}"'
    leaving = [f"{FAMILIES[s.version]} saddr {s.network} {out} masquerade" for s in subnets]
    passing = [
        f'iifname "{device}" {out} accept',
        f'iifname "{device}" drop',
        f'oifname "{device}" ct state established,related accept',
        f'oifname "{device}" drop',
        *_closed(interface, subnets, facts),
    ]
    hosting = [
        f'iifname "{device}" icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept',
        f'iifname "{device}" drop',
    ]
    chains = {
        "leaving": ("nat", "postrouting", "srcnat", leaving),
        "passing": ("filter", "forward", "filter", passing),
        "hosting": ("filter", "input", "filter", hosting),
    }
    commands = [f"add table inet {table}"]
    for name, (kind, hook, priority, rules) in chains.items():
        base = f"type {kind} hook {hook} priority {priority}; policy accept;"
        commands.append(f"add chain inet {table} {name} {{ {base} }}")
        commands += [f"add rule inet {table} {name} {rule}" for rule in rules]
    return "; ".join(commands)


def _closed(interface: HostInterface, subnets: Sequence[Subnet], facts: HostFacts) -> Iterator[str]:
    """Give rules that drop what forwarding, switched on for the machine, would let through."""
    versions = {s.version for s in subnets}
    only = f'iifname "{interface.name}" drop'
    if 4 in versions and _off(f"net/ipv4/conf/{interface.name}/forwarding", facts):  # noqa: PLR2004
        yield f"meta nfproto ipv4 {only}"
    if 6 in versions and _off("net/ipv6/conf/all/forwarding", facts):  # noqa: PLR2004
        # without force_forwarding it is on for all interfaces; another tap has its own rules
        yield f"meta nfproto ipv6 {only if _can_force(interface, facts) else NOT_OURS}"


def _off(name: str, facts: HostFacts) -> bool:
    return facts.sysctls.get(name) != "1"


def _can_force(interface: HostInterface, facts: HostFacts) -> bool:
    return f"net/ipv6/conf/{interface.name}/force_forwarding" in facts.sysctls


def _forwarding(
    interface: HostInterface, device: str, version: int, facts: HostFacts
) -> Iterator[Step]:
    if version == 4:  # noqa: PLR2004
        yield _set(f"net/ipv4/conf/{device}/forwarding", "1"), ()
        yield from _changed(f"net/ipv4/conf/{interface.name}/forwarding", "1", facts)
        strict = max(
            facts.sysctls.get(f"net/ipv4/conf/{name}/rp_filter", "0")
            for name in ("all", interface.name)
        )
        if strict == "1":
            yield from _changed(f"net/ipv4/conf/{interface.name}/rp_filter", LOOSE, facts)
    elif _can_force(interface, facts):
        # Linux 6.17: one interface forwards, and nothing else changes
        yield _set(f"net/ipv6/conf/{device}/force_forwarding", "1"), ()
        yield from _changed(f"net/ipv6/conf/{interface.name}/force_forwarding", "1", facts)
    else:
        # all or nothing, and an interface that forwards hears no router unless it is told to
        listening = [i.name for i in facts.interfaces if _accept_ra(i, facts) == "1"]
        for name in listening:
            yield from _changed(f"net/ipv6/conf/{name}/accept_ra", "2", facts)
        yield from _changed("net/ipv6/conf/all/forwarding", "1", facts)


def _networks(interface: HostInterface, version: int) -> tuple[str, ...]:
    found = dict.fromkeys(str(n.network) for n in interface.networks() if n.version == version)
    return tuple(found)


def _accept_ra(interface: HostInterface, facts: HostFacts) -> str:
    return facts.sysctls.get(f"net/ipv6/conf/{interface.name}/accept_ra", "0")


def _changed(name: str, value: str, facts: HostFacts) -> Iterator[Step]:
    before = facts.sysctls.get(name)
    if before is not None and before != value:
        yield _set(name, value), _set(name, before)


def _set(name: str, value: str) -> Command:
    return ("sysctl", "-q", "-w", f"{name}={value}")


def _free(version: int, interface: HostInterface, facts: HostFacts) -> IPv4Network | IPv6Network:
    taken = [n for n in facts.taken() if n.version == version]
    for pattern in CANDIDATES[version]:
        candidate = ip_network(pattern.format(interface.index % 256))
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise PreflightError(
        f"no private network is left for a machine behind {interface.title}",
        hint="this computer is in "
        + ", ".join(str(n) for n in taken)
        + ": leave one of them, or attach to Ethernet instead of Wi-Fi",
    )
