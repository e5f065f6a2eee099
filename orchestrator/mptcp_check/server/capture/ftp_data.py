"""FTP's data connections carry no marker: where the control connection says they will be; PURE.

RFC 959 (PORT, 227) and RFC 2428 (EPRT, 229).  Only ports are taken: the address of a data
connection is the control connection's own, whatever the text says.  That is the rule against
being sent elsewhere, and it is right behind translators, too.
"""

import re
from typing import Final

LINE_BYTES: Final = 512
"""How much of an unfinished line is kept."""

_PASSIVE: Final = re.compile(rb"^227 [^\r\n]*?(?:\d{1,3},){4}(\d{1,3}),(\d{1,3})")
_EXTENDED_PASSIVE: Final = re.compile(rb"^229 [^\r\n]*?\(([!-~])\1\1(\d{1,5})\1\)")
_PORT: Final = re.compile(rb"^PORT (?:\d{1,3},){4}(\d{1,3}),(\d{1,3})\s*$", re.IGNORECASE)
_EXTENDED_PORT: Final = re.compile(
    rb"^EPRT ([!-~])[12]\1[0-9A-Fa-f.:]{2,45}\1(\d{1,5})\1\s*$", re.IGNORECASE
)
_LAST_BYTE: Final = 255
_LAST_PORT: Final = 65_535


def passive_port(line: bytes) -> int:
    """Return the server's port that an answer names, or 0; never raises."""
    if found := _PASSIVE.match(line):
        return _from_bytes(found.group(1), found.group(2))
    if found := _EXTENDED_PASSIVE.match(line):
        return _port(int(found.group(2)))
    return 0


def active_port(line: bytes) -> int:
    """Return the client's port that a command names, or 0; never raises."""
    if found := _PORT.match(line):
        return _from_bytes(found.group(1), found.group(2))
    if found := _EXTENDED_PORT.match(line):
        return _port(int(found.group(2)))
    return 0


class Lines:
    """Puts the lines of one direction together; a segment that comes again is told again."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, octets: bytes) -> list[bytes]:
        """Return the lines that are whole now."""
        *lines, rest = (self._rest + octets[-65_536:]).split(b"\n")
        self._rest = rest[-LINE_BYTES:]
        return lines


def _from_bytes(high: bytes, low: bytes) -> int:
    first, second = int(high), int(low)
    return 0 if first > _LAST_BYTE or second > _LAST_BYTE else first << 8 | second


def _port(number: int) -> int:
    return number if number <= _LAST_PORT else 0
