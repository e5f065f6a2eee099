"""IPv6 from what routers advertise: the kernel configures itself (RFC 4862), and this reads it.

What it found is then taken over as if somebody had given it: in mid-run no advertisement may
change an address or a route.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mptcp_guest.inside import PROC_NET
from mptcp_guest.naming import checked_name

HEARD_S = 5.0
"""A router answers in half a second (RFC 4861, section 6.2.6), and an address is asked for during
one more; a bridge may just have come up, and a busy computer takes its time."""

GLOBAL_SCOPE = 0
UNUSABLE_FLAGS = 0x01 | 0x08 | 0x20 | 0x40
"""IFA_F_TEMPORARY, _DADFAILED, _DEPRECATED, _TENTATIVE (linux/if_addr.h)."""
GATEWAY_FLAG = 0x2
"""RTF_GATEWAY (linux/route.h)."""
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


class Advertised(NamedTuple):
    """What routers gave an interface."""

    address: str
    """With prefix length."""
    gateway: str
    """A link-local address."""


def listening(name: str) -> dict[str, str]:
    """Return the settings with which an interface asks routers when it comes up; PURE."""
    wanted = {
        "autoconf": "1",
        "use_tempaddr": "0",
        "router_solicitation_delay": "0",
        "router_solicitation_interval": "1",
        "accept_ra": "1",
    }
    return {f"net.ipv6.conf.{checked_name(name)}.{key}": value for key, value in wanted.items()}


def deaf(name: str) -> dict[str, str]:
    """Return the settings with which it hears no router any more; PURE."""
    return {f"net.ipv6.conf.{checked_name(name)}.accept_ra": "0"}


def forgetting(names: Sequence[str]) -> Iterator[list[str]]:
    """Give the ip commands that take away what the kernel configured itself; PURE."""
    for name in names:
        yield ["address", "flush", "dev", checked_name(name), "scope", "global"]
        yield ["route", "flush", "dev", name, "proto", "ra"]


def read(names: Sequence[str]) -> Mapping[str, Advertised | None]:
    """Return what routers gave each interface by now, in the calling thread's network.

    Raises:
        OSError: The kernel does not tell.
    """
    try:
        addresses = PROC_NET.joinpath("if_inet6").read_text()
        routes = PROC_NET.joinpath("ipv6_route").read_text()
    except FileNotFoundError:  # a kernel without IPv6
        return dict.fromkeys(names)
    return {name: parse(addresses, routes, name) for name in names}


def parse(addresses: str, routes: str, name: str) -> Advertised | None:
    """Return an interface's first usable address and its default route; PURE.

    Args:
        addresses: ``/proc/net/if_inet6``.
        routes: ``/proc/net/ipv6_route``.
        name: The interface.
    """
    found = sorted(_addresses(addresses, name), key=lambda a: a.ip not in GLOBAL_UNICAST)
    hops = sorted(_gateways(routes, name))
    if not found or not hops:
        return None
    return Advertised(address=str(found[0]), gateway=str(hops[0][1]))


def _addresses(text: str, name: str) -> Iterator[ipaddress.IPv6Interface]:
    for line in text.splitlines():
        words = line.split()
        if len(words) != 6 or words[5] != name:  # noqa: PLR2004 - its columns
            continue
        octets, _, prefix, scope, flags, _ = words
        try:
            usable = int(scope, 16) == GLOBAL_SCOPE and not int(flags, 16) & UNUSABLE_FLAGS
            if usable:
                yield ipaddress.IPv6Interface((int(octets, 16), int(prefix, 16)))
        except ValueError:
            continue


def _gateways(text: str, name: str) -> Iterator[tuple[int, ipaddress.IPv6Address]]:
    """Give next hops of default routes with their metrics."""
    for line in text.splitlines():
        words = line.split()
        if len(words) != 10 or words[9] != name:  # noqa: PLR2004 - its columns
            continue
        try:
            numbers = [int(words[n], 16) for n in (0, 1, 4, 5, 8)]
            to, prefix, via, metric, flags = numbers
            if not to and not prefix and via and flags & GATEWAY_FLAG:
                yield metric, ipaddress.IPv6Address(via)
        except ValueError:
            continue
