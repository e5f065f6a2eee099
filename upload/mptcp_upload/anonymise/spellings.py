"""The ways in which programs write an identity down: one table for replacing and for looking."""

import contextlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from mptcp_upload.anonymise.identities import SUBSTRING_LENGTH

_IPV4_BYTES: Final = 4
_MAC_BYTES: Final = 6
_NUMBER_DIGITS: Final = 8
"""Shorter ones are lengths and counts more often than addresses."""


def binary(packed: bytes) -> Mapping[str, bytes]:
    """Return an address as it stands in packets and in memory.

    Args:
        packed: An IPv4, IPv6 or MAC address.
    """
    forms = {"binary": packed, "reversed": packed[::-1]}
    if len(packed) == _MAC_BYTES:
        forms["eui64"] = eui64(packed)
    return forms


def eui64(mac: bytes) -> bytes:
    """Return the interface identifier that is made of a MAC address (RFC 4291, appendix A)."""
    return bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def text(packed: bytes) -> Mapping[str, bytes]:
    """Return an address as programs write it, in lower case; beyond what `tokens` finds."""
    hexadecimal = {
        "hexadecimal": packed.hex().encode(),
        "hexadecimal, reversed": packed[::-1].hex().encode(),
        "hexadecimal with colons": packed.hex(":").encode(),
        "hexadecimal with spaces": packed.hex(" ").encode(),
    }
    if len(packed) == _IPV4_BYTES:
        digits = [b"%d" % b for b in packed]
        numbers = {
            "number": b"%d" % int.from_bytes(packed),
            "number, reversed": b"%d" % int.from_bytes(packed, "little"),
        }
        return {
            **hexadecimal,
            **{n: f for n, f in numbers.items() if len(f) >= _NUMBER_DIGITS},
            "dotted": b".".join(digits),
            "dotted, reversed": b".".join(reversed(digits)),
            "with dashes": b"-".join(digits),
            "with commas": b",".join(digits),
            # what inet_aton(3) reads too
            "hexadecimal bytes": b".".join(b"0x%x" % b for b in packed),
            "hexadecimal bytes, padded": b".".join(b"0x%02x" % b for b in packed),
            "octal bytes": b".".join(b"0%o" % b if b else b"0" for b in packed),
            "octal bytes, padded": b".".join(b"%04o" % b for b in packed),
            "two numbers": b"%d.%d" % (packed[0], int.from_bytes(packed[1:])),
            "three numbers": b"%d.%d.%d" % (packed[0], packed[1], int.from_bytes(packed[2:])),
            "octal": b"0%o" % int.from_bytes(packed),
        }
    if len(packed) == _MAC_BYTES:
        return {
            **hexadecimal,
            "with dashes": packed.hex("-").encode(),
            "dotted": packed.hex(".", 2).encode(),
            "eui64": eui64(packed).hex().encode(),
            "eui64 of an address": eui64(packed).hex(":", 2).encode(),
        }
    address = ipaddress.IPv6Address(packed)
    groups = address.exploded.split(":")
    return {
        **hexadecimal,
        "compressed": address.compressed.encode(),
        "exploded": address.exploded.encode(),
        "not compressed": ":".join(f"{int(g, 16):x}" for g in groups).encode(),
        "of DNS": address.reverse_pointer.removesuffix(".ip6.arpa").encode(),
    }


def name_forms(name: str) -> tuple[bytes, ...]:
    """Return a name as programs write it, ASCII letters in lower case.

    One form where it is ASCII. Others: UTF-8 composed and decomposed, in capitals too, Latin-1, and
    what is left without the accents, which names of computers are made of.
    """
    if name.isascii():
        return (name.lower().encode(),)
    forms: dict[bytes, None] = {}
    for cased in (name.lower(), name.upper(), name.title()):
        composed, apart = (unicodedata.normalize(how, cased) for how in ("NFC", "NFD"))
        plain = "".join(c for c in apart if not unicodedata.combining(c))
        forms |= dict.fromkeys(f.encode(errors="replace").lower() for f in (composed, apart))
        for text, how in ((composed, "latin-1"), (plain, "ascii")):
            with contextlib.suppress(UnicodeEncodeError):
                forms.setdefault(text.encode(how).lower())
    return tuple(forms)


def name_pattern(name: bytes) -> bytes:
    """Return a regular expression of a name: a short one is not looked for within words."""
    escaped = re.escape(name)
    if len(name) >= SUBSTRING_LENGTH:
        return escaped
    return rb"(?<![A-Za-z0-9])" + escaped + rb"(?![A-Za-z0-9])"


def pattern(spelling: str, form: bytes) -> bytes:
    """Return a regular expression of an address's spelling.

    Decimal numbers are not part of longer ones; hexadecimal is found within a dump.
    """
    escaped = re.escape(form)
    if spelling.startswith(("two numbers", "three numbers", "octal")):
        # part of a longer one it is another address
        return rb"(?<![0-9A-Fa-fx.])" + escaped + rb"(?![0-9]|\.[0-9])"
    if spelling.startswith("hexadecimal bytes"):
        return rb"(?<![0-9A-Fa-fx])" + escaped + rb"(?![0-9A-Fa-f])"
    if spelling.startswith("hexadecimal") or not form[-1:].isdigit():
        return escaped
    return rb"(?<![0-9])" + escaped + rb"(?![0-9])"


def any_of(patterns: Iterable[bytes], flags: int = re.IGNORECASE) -> re.Pattern[bytes]:
    """Return what finds any of some patterns, in any case unless told; of none, nothing."""
    return re.compile(b"|".join(patterns) or rb"(?!)", flags)
