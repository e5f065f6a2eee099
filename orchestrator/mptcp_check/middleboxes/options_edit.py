"""Take options out of a TCP header, the two ways in which middleboxes do it."""

import enum
from collections.abc import Callable, Iterator

END_OF_OPTIONS = 0
NO_OPERATION = 1
MPTCP = 30
"""The option kind of Multipath TCP (RFC 8684, section 12; IANA)."""

MP_CAPABLE = 0
MP_JOIN = 1
"""Subtypes (RFC 8684, section 12.2)."""

_SHORTEST_BYTES = 2


class Removal(enum.StrEnum):
    """How a middlebox takes an option out."""

    NOP = "nop"
    """Each of its bytes becomes a no-operation option; lengths stay."""
    DELETE = "delete"
    """The bytes go and the header shrinks, padded with end-of-options to a 32-bit word."""


def walk(options: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each option of kind 2 and above starts and how long it is.

    Stops at the end-of-options mark and at the first option whose length is impossible: what
    follows cannot be known to be options (RFC 9293, section 3.1).
    """
    offset = 0
    while offset < len(options):
        kind = options[offset]
        if kind == END_OF_OPTIONS:
            return
        if kind == NO_OPERATION:
            offset += 1
            continue
        length = options[offset + 1] if offset + 1 < len(options) else 0
        if length < _SHORTEST_BYTES or offset + length > len(options):
            return
        yield offset, length
        offset += length


def removed(options: bytes, match: Callable[[bytes], bool], removal: Removal) -> bytes:
    """Return the options without those that match, padded to a multiple of four bytes.

    Args:
        options: The options of a TCP header, a multiple of four bytes.
        match: Is given one option with its kind and length, and says whether it goes.
        removal: Whether it is overwritten or cut out.

    Returns:
        The same object if nothing matched.
    """
    hits = [(at, length) for at, length in walk(options) if match(options[at : at + length])]
    if not hits:
        return options
    edited = bytearray(options)
    for at, length in reversed(hits):
        edited[at : at + length] = bytes([NO_OPERATION]) * length if removal is Removal.NOP else b""
    edited += bytes(-len(edited) % 4)  # zero is end-of-options
    return bytes(edited)


def mptcp(*subtypes: int) -> Callable[[bytes], bool]:
    """Return a match for Multipath TCP options of some subtypes; none given means all."""

    def match(option: bytes) -> bool:
        if option[0] != MPTCP:
            return False
        return not subtypes or (len(option) > _SHORTEST_BYTES and option[2] >> 4 in subtypes)

    return match


def carries(options: bytes, match: Callable[[bytes], bool]) -> bool:
    """Say whether any option matches."""
    return any(match(options[at : at + length]) for at, length in walk(options))
