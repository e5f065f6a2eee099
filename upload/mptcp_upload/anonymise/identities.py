"""What must stay at home: addresses of both families, MAC addresses, names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mptcp_upload.anonymise import special

GENERIC_NAMES: Final = frozenset(
    {
        *("admin", "client", "computer", "debian", "default", "fedora", "guest", "home", "host"),
        *("local", "localdomain", "localhost", "mac", "macbook", "mptcp", "mptcp-check", "pc"),
        *("probe", "raspberrypi", "root", "server", "test", "ubuntu", "user", "vagrant"),
        # and the words of our own documents
        *("app", "capture", "captures", "connection", "data", "download", "exchange", "exchanges"),
        *("findings", "ftp", "http", "image", "interface", "kernel", "link", "links", "logs"),
        *("machine", "name", "network", "option", "options", "outcome", "packets", "path", "paths"),
        *("port", "report", "run", "schema", "state", "subflow", "tcp", "text", "upload"),
    }
)
"""Names that so many computers and accounts have that they tell nothing."""

GENERIC_INTERFACE: Final = re.compile(
    r"(any|lo|br|eth|en|ens|enp0s|wlan|lan|wan|tap|tun|vmnet|bond)\d{0,3}"
)
OWN_DOMAIN: Final = "mptcp-check.invalid"
"""What this program calls its own servers: the same in every run (RFC 6761, section 6.4)."""
SUBSTRING_LENGTH: Final = 6
"""A name of that length is looked for within words too."""
SHORTEST_NAME: Final = 3
"""Shorter names are in half of all words."""

_NDP_MULTICAST: Final = b"\x33\x33\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """What was found in a run and its surroundings."""

    addresses: frozenset[bytes]
    """Packed IPv4 and IPv6 addresses of somebody."""
    macs: frozenset[bytes]
    """MAC addresses of somebody, six bytes each."""
    names: frozenset[str]
    """Names of this computer, its users, interfaces and domains, in lower case."""


def identities(
    addresses: Iterable[bytes], macs: Iterable[bytes], names: Iterable[str]
) -> Identities:
    """Keep what tells who or where; drop what is the same for everybody."""
    return Identities(
        addresses=frozenset(_somebodys(addresses)),
        macs=frozenset(m for m in macs if is_somebodys_mac(m)),
        names=frozenset(
            n.lower() for n in names if len(n) >= SHORTEST_NAME and not _is_generic(n.lower())
        ),
    )


def _is_generic(name: str) -> bool:
    return (
        name in GENERIC_NAMES
        or GENERIC_INTERFACE.fullmatch(name) is not None
        or f".{name}".endswith(f".{OWN_DOMAIN}")
    )


def is_somebodys_mac(mac: bytes) -> bool:
    """Say whether a MAC address is one machine's, or made from one machine's address."""
    return mac[:3] == _NDP_MULTICAST or not (mac[0] & 1 or mac == bytes(6))


def _somebodys(addresses: Iterable[bytes]) -> Iterable[bytes]:
    """Give the addresses of machines; those of whole networks are replaced, but tell nobody."""
    for found in addresses:
        packed = special.embedded_ipv4(found) or found
        is_network = not any(packed[len(packed) // 2 :])
        if not is_network and not special.is_meaning(packed):
            yield packed
