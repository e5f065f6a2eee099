"""Ranges of addresses that mean something by themselves, and keep it (RFC 6890)."""

import functools
import ipaddress
from typing import Final

_MEANING: Final = tuple(
    (int(n.network_address), n.prefixlen, n.max_prefixlen)
    for n in map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "224.0.0.0/3",
            "::/127",
            "ff00::/8",
        ),
    )
)
"""Nobody's address: this network, loopback, multicast, reserved. They stay as they are."""

_KEPT: Final = tuple(
    (int(n.network_address), n.prefixlen, n.max_prefixlen)
    for n in map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",  # RFC 6598, behind a carrier's NAT
            "169.254.0.0/16",  # RFC 3927, link-local
            "fc00::/8",  # RFC 4193, unique local; the second half is what is in use
            "fd00::/8",
            "fe80::/64",  # RFC 4291, link-local
            "2000::/3",  # RFC 4291, global unicast
        ),
    )
)
"""The range of an address is kept, its place within is not."""

_EMBEDDING: Final = (
    ipaddress.ip_network("::ffff:0:0/96"),  # RFC 4291, section 2.5.5.2
    ipaddress.ip_network("64:ff9b::/96"),  # RFC 6052
    # RFC 4291, section 2.5.5.1; so is ``::5``, which random bytes spell
    ipaddress.ip_network("::/96"),
)
_EMBEDDING_PREFIXES: Final = frozenset(n.network_address.packed[:12] for n in _EMBEDDING)

_GUARDED: Final = (*_MEANING, *_KEPT, *((int(n.network_address), 96, 128) for n in _EMBEDDING))


def is_meaning(packed: bytes) -> bool:
    """Say whether an address is nobody's: unspecified, loopback, multicast, reserved."""
    bits, value = 8 * len(packed), int.from_bytes(packed)
    return any(
        width == bits and value >> (bits - length) == network >> (bits - length)
        for network, length, width in _MEANING
    )


def embedded_ipv4(packed: bytes) -> bytes | None:
    """Return the IPv4 address that an IPv6 one carries in its last bytes; none if it does not."""
    return packed[12:] if len(packed) == 16 and packed[:12] in _EMBEDDING_PREFIXES else None  # noqa: PLR2004 - IPv6


@functools.lru_cache(maxsize=65536)
def free_bits(packed: bytes) -> tuple[int, ...]:
    """Return the bits of an address that may be flipped, counted from the left.

    A bit is not free when the bits before it are the beginning of a guarded range: flipping it
    would swap that range with another one.
    """
    bits, value = 8 * len(packed), int.from_bytes(packed)
    guarded = 0
    for network, length, width in _GUARDED:
        if width == bits:
            common = bits - (value ^ network).bit_length()
            guarded |= (1 << min(common + 1, length)) - 1
    return tuple(i for i in range(bits) if not guarded >> i & 1)
