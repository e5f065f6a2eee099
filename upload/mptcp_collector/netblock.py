"""The network around an address: what quotas are counted for, and all that is kept of it."""

import ipaddress
from typing import Final

IPV4_BITS: Final = 24
"""What one household or one small firm shares."""
IPV6_BITS: Final = 56
"""What a provider gives one customer: RFC 6177, section 2."""

UNKNOWN: Final = "unknown"
"""Netblock of what is no address, such as a Unix socket."""


def netblock(address: str) -> str:
    """Return the network around an address, ``192.0.2.0/24``; never raises.

    An IPv4 address mapped into IPv6 (RFC 4291, section 2.5.5.2) is taken as IPv4: a listener on
    ``[::]`` sees IPv4 clients so, and they must not have a second share there.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    plain = getattr(found, "ipv4_mapped", None) or found
    bits = IPV4_BITS if plain.version == 4 else IPV6_BITS  # noqa: PLR2004 - IPv4
    return str(ipaddress.ip_network((plain, bits), strict=False))
