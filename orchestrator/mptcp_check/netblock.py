"""The network around an address: what caps and quotas are counted for, and what may be kept."""

import ipaddress
from typing import Final

IPV4_BITS: Final = 24
"""What one household or one small firm shares; also what is kept of an address."""
IPV6_BITS: Final = 56
"""What a provider gives one customer: RFC 6177, section 2."""

UNKNOWN: Final = "unknown"
"""Netblock of what is no address, such as a Unix socket."""


def netblock(address: str, *, ipv4_bits: int = IPV4_BITS, ipv6_bits: int = IPV6_BITS) -> str:
    """Return the network around an address, ``192.0.2.0/24``; never raises.

    An IPv4 address mapped into IPv6 (RFC 4291, section 2.5.5.2) is taken as IPv4: a listener on
    ``[::]`` sees IPv4 clients so, and they must not have a second share there.

    Args:
        address: As a socket gives it, a zone (``fe80::1%eth0``) included.
        ipv4_bits: Prefix length for IPv4.
        ipv6_bits: Prefix length for IPv6.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    plain = getattr(found, "ipv4_mapped", None) or found
    bits = ipv4_bits if plain.version == 4 else ipv6_bits  # noqa: PLR2004 - IPv4
    return str(ipaddress.ip_network((plain, bits), strict=False))


def plain_address(address: str) -> str:
    """Return an address as its user would write it: no zone, IPv4 not mapped into IPv6."""
    bare = address.partition("%")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return bare
    return str(getattr(found, "ipv4_mapped", None) or found)
