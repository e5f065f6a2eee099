"""The machine behind a locked door: nftables rules for the lab's namespace.

On a real network the machine is everybody's neighbour.  Nobody reaches a port of it but the
measurement servers, which need to (active FTP's data connections, subflows that a server opens),
and it reaches nobody but them, the resolvers, DHCP, NTP and its routers.

Traffic with the servers is let through without connection tracking: tracking puts fragments
together and has its own opinion on sequence numbers, and would be one more box on the path.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from mptcp_guest import messages
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline

TABLE = "mptcp_check"

FIRST_LOCAL_PORT, LAST_LOCAL_PORT = 32768, 60999
"""net.ipv4.ip_local_port_range: where clients' ports are, active FTP's listening ones too."""

ERRORS = {
    4: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    6: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
}
"""A path's way to speak (RFC 792, RFC 4443)."""

NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert"
"""RFC 4861; never forwarded, hence the hop limit of 255."""

FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


def lock(lab: Lab, firewall: messages.Firewall, until: Deadline) -> None:
    """Load the rules into the lab's namespace, all or none.

    Raises:
        RefusalError: There is no namespace, an address is none, or nft said no.
    """
    lab.namespace_name()  # never on a machine's own network
    rules = lab.work_directory / "firewall.nft"
    rules.write_text(ruleset(firewall))
    lab.succeed(lab.inside(["nft", "-f", str(rules)]), until)


def ruleset(firewall: messages.Firewall) -> str:
    """Return the rules as ``nft -f`` takes them; PURE.

    Raises:
        RefusalError: An address is none.
    """
    sets = {name: addresses(firewall[name]) for name in ("servers", "resolvers", "time_servers")}
    lines = [
        *(f" {line}" for name, held in sets.items() for line in _sets(name, held)),
        *_chain("untracked_in", "prerouting", "raw", "accept", _untracked("saddr")),
        *_chain("untracked_out", "output", "raw", "accept", _untracked("daddr")),
        *_chain("inbound", "input", "filter", "drop", _inbound()),
        *_chain("passing", "forward", "filter", "drop", ()),
        *_chain("outbound", "output", "filter", "drop", _outbound()),
    ]
    return "\n".join([f"table inet {TABLE} {{", *lines, "}", ""])


def addresses(texts: Iterable[str]) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return addresses as values; PURE.

    Raises:
        RefusalError: One is none.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_address(text))
        except ValueError as error:
            raise RefusalError("bad_arguments", f"{text!r} is not an address") from error
    return found


def _sets(
    name: str, held: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]
) -> Iterable[str]:
    for version, (_, kind) in FAMILIES.items():
        elements = ", ".join(sorted({str(a) for a in held if a.version == version}))
        filled = f" elements = {{ {elements} }};" if elements else ""
        yield f"set {name}{version} {{ type {kind};{filled} }}"


def _chain(name: str, hook: str, priority: str, policy: str, rules: Iterable[str]) -> Iterable[str]:
    yield f" chain {name} {{"
    yield f"  type filter hook {hook} priority {priority}; policy {policy};"
    yield from (f"  {rule}" for rule in rules)
    yield " }"


def _untracked(end: str) -> Iterable[str]:
    for version, (word, _) in FAMILIES.items():
        yield f"meta l4proto tcp {word} {end} @servers{version} notrack"


def _inbound() -> Iterable[str]:
    yield 'iifname "lo" accept'
    for version, (word, _) in FAMILIES.items():
        local = f"tcp dport {FIRST_LOCAL_PORT}-{LAST_LOCAL_PORT}"
        yield f"{word} saddr @servers{version} {local} accept"
        yield f"{ERRORS[version]} accept"
    yield "ct state established,related accept"
    yield f"ip6 hoplimit 255 icmpv6 type {{ {NEIGHBOURS}, nd-router-advert }} accept"
    yield "udp sport 67 udp dport 68 accept"
    yield "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept"
    yield 'counter comment "refused"'


def _outbound() -> Iterable[str]:
    yield 'oifname "lo" accept'
    for version, (word, _) in FAMILIES.items():
        yield f"{word} daddr @servers{version} accept"
        yield f"meta l4proto {{ tcp, udp }} {word} daddr @resolvers{version} th dport 53 accept"
        yield f"{word} daddr @time_servers{version} udp dport 123 accept"
    yield f"icmpv6 type {{ {NEIGHBOURS}, nd-router-solicit, mld2-listener-report }} accept"
    yield "udp sport 68 udp dport 67 accept"
    yield "udp sport 546 udp dport 547 accept"
