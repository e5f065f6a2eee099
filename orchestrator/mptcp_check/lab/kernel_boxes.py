"""Middleboxes that this computer's kernel plays: a router between the wire and the server.

They are the witnesses of the emulated behaviours: what millions of real boxes run.  The router
needs no network of its own: it answers ARP and neighbour solicitations for both ends (proxy_arp,
proxy_ndp), so that client and server keep the addresses they have without it.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mptcp_check.errors import MachineError, UsageError
from mptcp_check.lab.commands import inside, ip, run
from mptcp_check.machines import addresses
from mptcp_check.model import Family

PREFIX: Final = "kernel:"
"""How the command line tells them from emulated behaviours."""

RELAY: Final = Path(__file__).with_name("relay.py")
RELAY_PORTS: Final = {"redirect": 3129, "tproxy": 3130}

FIRST_TABLE, FIRST_PREFERENCE = 200, 20
BOX_IN, BOX_OUT, LONGER = 253, 254, 100
"""Host numbers of the router on both its sides, and one with more digits than the client's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBox:
    """One way to set the router up."""

    id: str
    does: str
    """Completes 'The path ...'."""
    consequence: str
    source: str
    setup: tuple[str, ...]
    """Command lines for the router's namespace, without quotes."""
    nft: str = ""
    """A script for ``nft -f -``."""
    relay: str = ""
    """Mode of `relay.py`; empty for none."""
    names: frozenset[str] = frozenset()
    """Behaviours of the catalogue that it is: all of them are named as causes, and no other."""
    app: str = "stream"
    """What shows it."""
    families: tuple[Family, ...] = (Family.IPV4,)


_IN: Final = "-i in+ -p tcp"

_BOXES: Final = (
    KernelBox(
        id="masquerade",
        does="translates source addresses (conntrack, MASQUERADE)",
        consequence="none: the join works from behind it as well",
        source="iptables-extensions(8), MASQUERADE",
        setup=(
            "iptables -t nat -A POSTROUTING -o out+ -j MASQUERADE",
            "ip6tables -t nat -A POSTROUTING -o out+ -j MASQUERADE",
        ),
        names=frozenset({"address_translated"}),
        families=tuple(Family),
    ),
    KernelBox(
        id="ftp_helper",
        does="translates the addresses inside FTP commands and makes them longer (conntrack FTP)",
        consequence="without DSS checksums a hang or silent corruption; with them MP_FAIL",
        source="iptables-extensions(8), CT --helper; RFC 8684, section 3.7",
        setup=(
            f"ip addr add 10.77.0.{LONGER}/32 dev out0",
            "iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp",
            f"iptables -t nat -A POSTROUTING -o out0 -j SNAT --to-source 10.77.0.{LONGER}",
        ),
        names=frozenset({"address_translated", "payload_resized"}),
        app="ftp",
    ),
    KernelBox(
        id="synproxy",
        does="answers SYNs itself and opens a connection of its own when the client is real",
        consequence="plain TCP; the client counts MPCapableFallbackSYNACK",
        source="iptables-extensions(8), SYNPROXY",
        setup=(
            "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0",
            "sysctl -qw net.ipv4.tcp_syncookies=1 net.ipv4.tcp_timestamps=1",
            f"iptables -t raw -A PREROUTING {_IN} --syn -j CT --notrack",
            (
                f"iptables -A FORWARD {_IN} -m conntrack --ctstate INVALID,UNTRACKED"
                " -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460"
            ),
            "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
        ),
        names=frozenset({"connection_proxied"}),
    ),
    KernelBox(
        id="redirect",
        does="ends connections in a proxy of its own (REDIRECT)",
        consequence="plain TCP, from the proxy's address",
        source="iptables-extensions(8), REDIRECT",
        setup=(
            f"iptables -t nat -A PREROUTING {_IN} -j REDIRECT --to-ports {RELAY_PORTS['redirect']}",
        ),
        relay="redirect",
        names=frozenset({"connection_proxied"}),
    ),
    KernelBox(
        id="tproxy",
        does="ends connections in a proxy of its own that keeps both addresses (TPROXY)",
        consequence="plain TCP",
        source="Linux Documentation/networking/tproxy.rst",
        setup=(
            "ip rule add fwmark 1 lookup 100 pref 10",
            "ip route add local 0.0.0.0/0 dev lo table 100",
            "iptables -t mangle -N DIVERT",
            "iptables -t mangle -A PREROUTING -p tcp -m socket --transparent -j DIVERT",
            "iptables -t mangle -A DIVERT -j MARK --set-mark 1",
            "iptables -t mangle -A DIVERT -j ACCEPT",
            (
                f"iptables -t mangle -A PREROUTING {_IN} -j TPROXY --tproxy-mark 0x1/0x1"
                f" --on-port {RELAY_PORTS['tproxy']}"
            ),
        ),
        relay="tproxy",
        names=frozenset({"connection_proxied"}),
    ),
    KernelBox(
        id="nft_reset_option",
        does="overwrites the MPTCP option of SYNs with NOPs (nftables)",
        consequence="plain TCP without delay; the client counts MPCapableFallbackSYNACK",
        source="nft(8), reset statement",
        setup=(),
        nft="""table inet lab {
  chain mangling { type filter hook forward priority mangle;
    tcp flags & (syn|ack) == syn reset tcp option mptcp
  }
}
""",
        names=frozenset({"mp_capable_removed_from_syn"}),
        families=tuple(Family),
    ),
    KernelBox(
        id="tcpoptstrip",
        does="overwrites the MPTCP option of SYN/ACKs with NOPs (TCPOPTSTRIP)",
        consequence="plain TCP; the server counts MPCapableFallbackACK",
        source="iptables-extensions(8), TCPOPTSTRIP",
        setup=tuple(
            f"{tool} -t mangle -A FORWARD -p tcp --tcp-flags SYN,ACK SYN,ACK"
            " -j TCPOPTSTRIP --strip-options 30"
            for tool in ("iptables", "ip6tables")
        ),
        names=frozenset({"mp_capable_removed_from_synack"}),
        families=tuple(Family),
    ),
)

KERNEL_BOXES: Final[Mapping[str, KernelBox]] = {box.id: box for box in _BOXES}
"""By identifier, without the prefix."""


def kernel_box(text: str) -> KernelBox:
    """Return the box that ``kernel:NAME`` names.

    Raises:
        UsageError: There is none of that name.
    """
    name = text.removeprefix(PREFIX)
    if name not in KERNEL_BOXES:
        known = ", ".join(PREFIX + box for box in KERNEL_BOXES)
        raise UsageError(f"no box of the kernel is called {text!r}", hint=f"there are: {known}")
    return KERNEL_BOXES[name]


@contextmanager
def standing(
    box: KernelBox, *, name: str, server: str, join: Callable[[str, str, str], None]
) -> Iterator[None]:
    """Put the router between ``sN`` here and ``ethN`` of the server, and remove it after.

    Args:
        box: What it does.
        name: Of its namespace.
        server: The server's namespace, which gets its interfaces here.
        join: Makes a pair of interfaces: namespace, name there, name here.

    Raises:
        MachineError: This kernel cannot do it, in the tool's words.
    """
    with ExitStack() as stack:
        ip(f"netns add {name}")
        stack.callback(ip, f"netns del {name}")
        for line in _SETTINGS:
            inside(name, f"sysctl -qw {line}")
        for link in range(addresses.LINKS):
            join(name, f"in{link}", f"s{link}")
            ip(f"link add out{link} netns {name} type veth peer name eth{link} netns {server}")
            off = " ".join(f"{short} off" for short in ("tx", "sg", "tso", "gso", "gro"))
            for device in (f"in{link}", f"out{link}"):
                inside(name, f"ethtool -K {device} {off}")
                # the answer for somebody else's address comes up to 0.8 s late by default
                for version in ("ipv4", "ipv6"):
                    inside(name, f"sysctl -qw net.{version}.neigh.{device}.proxy_delay=0")
        for line in route_commands():
            ip(f"-n {name} {line}" if not line.startswith("-6 ") else f"-6 -n {name} {line[3:]}")
        for line in box.setup:
            inside(name, line)
        if box.nft:
            run(["ip", "netns", "exec", name, "nft", "-f", "-"], stdin=box.nft.encode())
        if box.relay:
            stack.enter_context(_relaying(box.relay, name))
        yield


_SETTINGS: Final = (
    "net.ipv4.ip_forward=1 net.ipv4.conf.all.proxy_arp=1",
    "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0",
    "net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.proxy_ndp=1",
    "net.ipv6.conf.default.proxy_ndp=1 net.ipv6.conf.default.accept_dad=0",
)


def route_commands() -> Iterator[str]:
    """Give the ``ip`` lines that route between both ends link by link; PURE."""
    for device in ("lo", *(f"{side}{link}" for link in range(addresses.LINKS) for side in _SIDES)):
        yield f"link set {device} up"
    for family in Family:
        for link in range(addresses.LINKS):
            lines = _link_routes(family, link)
            yield from (line if family is Family.IPV4 else f"-6 {line}" for line in lines)


def _link_routes(family: Family, link: int) -> Iterator[str]:
    bits = {Family.IPV4: 32, Family.IPV6: 128}[family]

    def host(number: int) -> str:
        return addresses.address(family, link=link, host=number)

    probe = host(addresses.PROBE)
    servers = [host(addresses.SERVER), *([host(addresses.CONTROL)] if link == 0 else [])]
    yield f"addr add {host(BOX_IN)}/{bits} dev in{link}"
    yield f"addr add {host(BOX_OUT)}/{bits} dev out{link}"
    yield f"route add {probe} dev in{link}"
    # what came by a link leaves by it, whichever of the server's addresses it is for
    table = FIRST_TABLE + link
    yield f"rule add iif in{link} lookup {table} pref {FIRST_PREFERENCE + link}"
    for server in servers:
        yield f"route add {server} dev out{link}"
        yield f"route add {server} dev out{link} table {table}"
    yield f"route add default via {servers[0]} dev out{link} onlink table {table}"
    if family is Family.IPV6:
        yield from (f"neigh add proxy {server} dev in{link}" for server in servers)
        yield f"neigh add proxy {probe} dev out{link}"


_SIDES: Final = ("in", "out")


@contextmanager
def _relaying(mode: str, namespace: str) -> Iterator[None]:
    enter = ["ip", "netns", "exec", namespace]
    program = [sys.executable, "-I", "-S", str(RELAY), mode, str(RELAY_PORTS[mode])]
    with subprocess.Popen([*enter, *program], stdout=subprocess.PIPE) as relay:  # noqa: S603 - a list
        try:
            if relay.stdout is None or not relay.stdout.readline():
                raise MachineError(f"the box's relay does not start in mode {mode}")
            yield
        finally:
            relay.kill()
