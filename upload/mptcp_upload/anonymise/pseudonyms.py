"""One keyed pseudonym for each identity, the same wherever it occurs."""

import base64
import hashlib
import hmac
from typing import Final

from mptcp_upload.anonymise.identities import Identities, is_somebodys_mac
from mptcp_upload.anonymise.prefix_map import KEY_BYTES, PrefixMap
from mptcp_upload.errors import VERDICT_ONLY, BundleError

ATTEMPT_COUNT: Final = 64
_COLLAPSED_NDP: Final = b"\x33\x33\xff\0\0\0"
"""Multicast of neighbour discovery holds three bytes of an address: not kept."""


class Pseudonyms:
    """Maps for a set of identities under one key.

    Args:
        key: 32 secret bytes.
        who: What is to be hidden.
        attempt: Numbers the maps of one key.
    """

    def __init__(self, key: bytes, who: Identities, attempt: int = 0) -> None:
        self.who = who
        self.attempt = attempt
        self._key = _derived(key, b"names %d" % attempt)
        self._prefix_map = PrefixMap(_derived(key, b"addresses %d" % attempt))
        self.names = {n: self.name(n) for n in who.names}

    def address(self, packed: bytes) -> bytes:
        """Return the address that stands for one; nobody's addresses stand for themselves."""
        return self._prefix_map.map(packed)

    def mac(self, mac: bytes) -> bytes:
        """Return the MAC address that stands for one: locally administered, without a maker."""
        if not is_somebodys_mac(mac):
            return mac
        if mac[0] & 1:
            return _COLLAPSED_NDP
        made = hmac.digest(self._key, b"mac" + mac, "sha256")[:6]
        return bytes([made[0] & 0xFC | 2]) + made[1:]

    def name(self, name: str) -> str:
        """Return a word of the same length."""
        made = hmac.digest(self._key, b"name" + name.lower().encode(), "sha512")
        text = base64.b32encode(made).decode().lower().rstrip("=")
        return "x" + (text * (len(name) // len(text) + 1))[: len(name) - 1]

    def is_free_of_originals(self) -> bool:
        """Say whether no pseudonym is an identity itself, so that none can be taken for a leak."""
        return not (
            {self.address(a) for a in self.who.addresses} & self.who.addresses
            or {self.mac(m) for m in self.who.macs} & self.who.macs
            or set(self.names.values()) & self.who.names
        )


def choose(key: bytes, who: Identities) -> Pseudonyms:
    """Return the first maps of this key that hit no original; so the same run has the same maps.

    Raises:
        BundleError: There is none: an address in a range of hardly more addresses.
    """
    for attempt in range(ATTEMPT_COUNT):
        found = Pseudonyms(key, who, attempt)
        if found.is_free_of_originals():
            return found
    raise BundleError(
        "no map of addresses keeps clear of the original ones",
        hint=VERDICT_ONLY,
    )


def _derived(key: bytes, purpose: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    return hashlib.sha256(key + purpose).digest()
