"""Addresses by other addresses, keyed, one to one, prefixes kept (Crypto-PAn, Xu et al., 2002).

Two addresses that share k leading bits share exactly k leading bits afterwards: who is whose
neighbour stays visible, who they are does not. Unlike Crypto-PAn, ranges with a meaning of their
own stay what they are, because a diagnosis needs it: no bit is flipped above a range of the table,
so a private address stays private (and in its range), and no public one becomes private.
"""

import ipaddress
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mptcp_upload.anonymise import special

KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 16
_BLOCK_BITS: Final = 128


class PrefixMap:
    """One keyed map for IPv4 and IPv6.

    Args:
        key: 32 secret bytes; the same key gives the same map.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        # ECB: the cipher serves as a pseudo-random function on single blocks, as in Crypto-PAn
        self._cipher = Cipher(algorithms.AES(key[:16]), modes.ECB())  # noqa: S305 - as said
        self._pads = {
            4: int.from_bytes(self._encrypt(key[16:])),
            6: int.from_bytes(self._encrypt(bytes(b ^ 0xFF for b in key[16:]))),
        }
        self._known: dict[bytes, bytes] = {}

    def map(self, packed: bytes) -> bytes:
        """Return the address (4 or 16 bytes) that stands for another one."""
        found = self._known.get(packed)
        if found is None:
            found = self._known[packed] = self._compute(packed)
        return found

    def _compute(self, packed: bytes) -> bytes:
        if special.is_meaning(packed):
            return packed
        embedded = special.embedded_ipv4(packed)
        if embedded is not None:
            return packed[:12] + self.map(packed[12:])
        bits = 8 * len(packed)
        value = int.from_bytes(packed)
        free = special.free_bits(packed)
        if not free:
            return packed
        pad = self._pads[4 if bits == ipaddress.IPV4LENGTH else 6]
        blocks = b"".join(self._block(value, i, bits, pad) for i in free)
        out = self._encrypt(blocks)
        for index, i in enumerate(free):
            value ^= (out[index * _BLOCK_BYTES] >> 7) << (bits - 1 - i)
        return value.to_bytes(len(packed))

    @staticmethod
    def _block(value: int, i: int, bits: int, pad: int) -> bytes:
        """Return the first i bits of the address, and the rest from the pad."""
        prefix = value >> (bits - i) << (_BLOCK_BITS - i)
        return (prefix | pad & ((1 << (_BLOCK_BITS - i)) - 1)).to_bytes(_BLOCK_BYTES)

    def _encrypt(self, blocks: bytes) -> bytes:
        encryptor = self._cipher.encryptor()
        return encryptor.update(blocks) + encryptor.finalize()
