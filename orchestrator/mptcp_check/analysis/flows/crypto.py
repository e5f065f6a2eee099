"""Tokens, initial data sequence numbers and HMACs of Multipath TCP, versions 0 and 1.

Version 0 (RFC 6824) stands on SHA-1 and HMAC-SHA1, version 1 (RFC 8684) on SHA-256 and
HMAC-SHA256; all else is the same.  Keys and numbers are integers, as they are in the columns.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

HASHES: Final[dict[int, Callable[..., Any]]] = {0: hashlib.sha1, 1: hashlib.sha256}
"""Hash function by MPTCP version: section 3.1 of either RFC, flag H."""

VERSIONS: Final = frozenset(HASHES)

JOIN_ACK_HMAC_BYTES: Final = 20
"""The third ACK carries the leftmost 160 bits: RFC 8684, section 3.2, figure 7."""
SHORT_HMAC_BYTES: Final = 8
"""MP_JOIN's SYN/ACK (leftmost) and ADD_ADDR (rightmost) carry 64 bits."""


def token(key: int, version: int) -> int:
    """Return the 32 bits that name a connection in MP_JOIN: the hash's most significant ones.

    RFC 8684, section 3.2 (RFC 6824: the same).

    Args:
        key: 64-bit key of the host that the token is for.
        version: MPTCP version, 0 or 1.
    """
    return int.from_bytes(_digest(key, version)[:4], "big")


def tokens(keys: npt.NDArray[np.uint64], version: int) -> npt.NDArray[np.int64]:
    """Return what `token` returns, of each of many keys."""
    make = HASHES[version]
    octets = keys.astype(">u8").tobytes()
    digests = [make(octets[at : at + 8]).digest()[:4] for at in range(0, len(octets), 8)]
    return np.frombuffer(b"".join(digests), ">u4").astype(np.int64)


def initial_data_sequence_number(key: int, version: int) -> int:
    """Return a host's IDSN: the 64 least significant bits of its key's hash.

    RFC 8684, section 3.1 (RFC 6824: the same).  The SYN takes one number, so the first byte of
    data is IDSN + 1 (section 3.3).

    Args:
        key: 64-bit key of the sending host.
        version: MPTCP version, 0 or 1.
    """
    return int.from_bytes(_digest(key, version)[-8:], "big")


def join_hmac(
    *, own_key: int, peer_key: int, own_nonce: int, peer_nonce: int, version: int
) -> bytes:
    """Return the HMAC that a host proves itself with in MP_JOIN: RFC 8684, section 3.2, figure 8.

    ``HMAC(Key=(own key + peer's key), Msg=(own nonce + peer's nonce))``; in the SYN/ACK the first
    8 bytes of it are sent, in the third ACK the first 20.

    Args:
        own_key: Key of the host that proves itself.
        peer_key: Key of the host that is to believe it.
        own_nonce: Random number in the own SYN or SYN/ACK.
        peer_nonce: Random number in the other one.
        version: MPTCP version, 0 or 1.

    Returns:
        20 bytes; version 1 truncates the 32 bytes of its hash.
    """
    message = own_nonce.to_bytes(4, "big") + peer_nonce.to_bytes(4, "big")
    return _hmac(own_key, peer_key, message, version)[:JOIN_ACK_HMAC_BYTES]


def add_addr_hmac(
    *,
    own_key: int,
    peer_key: int,
    address_id: int,
    address: bytes,
    port: int,
    leftmost: bool = False,
) -> bytes:
    """Return the truncated HMAC of an ADD_ADDR of version 1: RFC 8684, section 3.4.1.

    Args:
        own_key: Key of the host that announces the address.
        peer_key: Key of the other host.
        address_id: The announced id.
        address: 4 or 16 bytes in network order.
        port: The announced port; 0 if the option has none, as the RFC asks.
        leftmost: Truncate as Linux did while ADD_ADDR was new, before its commit 12555a2d97e5
            ("mptcp: use rightmost 64 bits in ADD_ADDR HMAC", May 2020, Linux 5.7).

    Returns:
        The rightmost 8 bytes of HMAC-SHA256, or the leftmost ones.
    """
    message = address_id.to_bytes(1, "big") + address + port.to_bytes(2, "big")
    whole = _hmac(own_key, peer_key, message, 1)
    return whole[:SHORT_HMAC_BYTES] if leftmost else whole[-SHORT_HMAC_BYTES:]


def _digest(key: int, version: int) -> bytes:
    digest: bytes = HASHES[version](key.to_bytes(8, "big")).digest()
    return digest


def _hmac(own_key: int, peer_key: int, message: bytes, version: int) -> bytes:
    secret = own_key.to_bytes(8, "big") + peer_key.to_bytes(8, "big")
    return hmac.digest(secret, message, HASHES[version]().name)
