"""Find addresses in text, however they are spelt, and spell their pseudonyms in the same place."""

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mptcp_upload.anonymise import special
from mptcp_upload.anonymise.identities import is_somebodys_mac

_IPV4 = re.compile(rb"(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_COMMAS = re.compile(
    rb"(?<![0-9.,])[0-9]{1,3}(?:, ?[0-9]{1,3}){3}(?=, ?[0-9]{1,3}, ?[0-9]{1,3}(?![0-9]))"
)
"""FTP's PORT and 227: four numbers of an address, two of a port (RFC 959, section 4.1.2)."""
_IPV6 = re.compile(
    rb"(?<![0-9A-Za-z:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,39}(?:\.[0-9]{1,3}){0,3}(?![0-9A-Za-z]|:[0-9A-Fa-f])"
)
_MAC = re.compile(
    rb"(?<![0-9A-Za-z:-])(?:[0-9A-Fa-f]{2}(:|-))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
_DOTTED_MAC = re.compile(
    rb"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z.])"
)

Map = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An address in a text."""

    start: int
    text: bytes
    packed: bytes
    """4, 16, or 6 bytes of a MAC address."""
    separator: bytes = b""

    @property
    def is_mac(self) -> bool:
        """Whether it is a MAC address."""
        return len(self.packed) == 6  # noqa: PLR2004 - MAC


def find(text: bytes) -> Iterator[Token]:
    """Give the addresses of somebody in a text, of both families and MAC, not overlapping."""
    taken: list[tuple[int, ...]] = []
    for pattern, reading in _READINGS:
        for match in pattern.finditer(text):
            token = reading(match.start(), match[0])
            if token is None:
                continue
            # none overlaps another: only the last that begins before this one's end can reach it
            after = bisect_left(taken, (match.end(),))
            if after and taken[after - 1][1] > match.start():
                continue
            taken.insert(after, (match.start(), match.start() + len(token.text)))
            yield token


def spelt(token: Token, pseudonym: bytes) -> bytes:
    """Return a pseudonym as its original was spelt."""
    if token.is_mac:
        digits = pseudonym.hex()
        step = 4 if token.separator == b"." else 2
        groups = [digits[i : i + step] for i in range(0, 12, step)]
        return token.separator.join(g.encode() for g in groups)
    if len(pseudonym) == 4:  # noqa: PLR2004 - IPv4
        return (token.separator or b".").join(b"%d" % b for b in pseudonym)
    return str(ipaddress.ip_address(pseudonym)).encode()


def fitted(token: Token, pseudonym: bytes) -> bytes | None:
    """Return a pseudonym in exactly the length of its original, or None where it has no room."""
    room = len(token.text)
    plain = spelt(token, pseudonym)
    if len(plain) == room:
        return plain
    if len(plain) > room:
        return None
    if len(pseudonym) == 4:  # noqa: PLR2004 - IPv4
        return _padded(plain, token.separator or b".", 3, room)
    exploded = ipaddress.ip_address(pseudonym).exploded.encode()
    short = b":".join(b"%x" % int(g, 16) for g in exploded.split(b":"))
    candidates = (_padded(plain, b":", 4, room), _padded(short, b":", 4, room))
    return next((c for c in candidates if c is not None), None)


def masked(text: bytes) -> bytes:
    """Return what is put where a pseudonym has no room: the shape, without the digits."""
    return re.sub(rb"[0-9A-Fa-f]", b"x", text)


def _padded(text: bytes, separator: bytes, width: int, room: int) -> bytes | None:
    """Fill groups with leading zeros until the text has its length."""
    groups = text.split(separator)
    for index, group in enumerate(groups):
        if group:
            groups[index] = group.rjust(
                min(width, len(group) + room - len(separator.join(groups))), b"0"
            )
    padded = separator.join(groups)
    return padded if len(padded) == room else None


def _ipv4(start: int, text: bytes) -> Token | None:
    separator = b"." if b"." in text else b","
    numbers = [int(n) for n in text.split(separator)]
    if max(numbers) > 255:  # noqa: PLR2004 - a byte
        return None
    packed = bytes(numbers)
    if special.is_meaning(packed):
        return None
    return Token(start=start, text=text, packed=packed, separator=separator)


def _ipv6(start: int, text: bytes) -> Token | None:
    if text.count(b":") < 2:  # noqa: PLR2004 - "::" is the shortest
        return None
    for end in (len(text), len(text.rstrip(b":"))):
        try:
            packed = ipaddress.IPv6Address(text[:end].decode("ascii")).packed
        except ValueError:
            continue
        embedded = special.embedded_ipv4(packed)
        if special.is_meaning(packed if embedded is None else embedded):
            return None
        return Token(start=start, text=text[:end], packed=packed)
    return None


def _mac(start: int, text: bytes) -> Token | None:
    separator = b":" if b":" in text else b"-" if b"-" in text else b"."
    packed = bytes.fromhex(text.replace(separator, b"").decode("ascii"))
    if not is_somebodys_mac(packed):
        return None
    return Token(start=start, text=text, packed=packed, separator=separator)


_READINGS: Final = (
    (_MAC, _mac),
    (_DOTTED_MAC, _mac),
    (_IPV6, _ipv6),
    (_IPV4, _ipv4),
    (_COMMAS, _ipv4),
)
