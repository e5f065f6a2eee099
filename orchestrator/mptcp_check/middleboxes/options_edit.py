"""Take options out of a TCP header, put others in, and change what they say."""

import enum
from collections.abc import Callable, Iterator

from mptcp_check.middleboxes.frame import MAX_OPTIONS_BYTES

END_OF_OPTIONS = 0
NO_OPERATION = 1
MPTCP = 30
"""The option kind of Multipath TCP (RFC 8684, section 12; IANA)."""

MP_CAPABLE = 0
MP_JOIN = 1
ADD_ADDR = 3
"""Subtypes (RFC 8684, section 12.2)."""

MAXIMUM_SEGMENT_SIZE = 2
WINDOW_SCALE = 3
TIMESTAMPS = 8
"""Other kinds (RFC 9293, section 3.1; RFC 7323, sections 2 and 3)."""
MAX_KIND = 0xFF

ASSIGNED_KINDS = frozenset({*range(31), 34, 69, 172, 174}) - {25}
"""What IANA's list of TCP option kinds gives a meaning to, experiments (253, 254) apart."""

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


def altered(
    options: bytes, match: Callable[[bytes], bool], change: Callable[[bytes], bytes]
) -> bytes:
    """Return the options with others in the place of those that match, padded to four bytes.

    Args:
        options: The options of a TCP header, a multiple of four bytes.
        match: Is given one option with its kind and length, and says whether it changes.
        change: Returns what stands there instead.

    Returns:
        The same object if nothing changed, or if what came out would not fit a TCP header.
    """
    edited = bytearray(options)
    for at, length in reversed(list(walk(options))):
        option = options[at : at + length]
        if match(option):
            edited[at : at + length] = change(option)
    edited += bytes(-len(edited) % 4)  # zero is end-of-options
    return options if edited == options or len(edited) > MAX_OPTIONS_BYTES else bytes(edited)


def appended(options: bytes, addition: bytes) -> bytes:
    """Return the options with others behind the last one, padded to four bytes.

    The same object comes back if there is no room, or if the options end in what is none.
    """
    end = 0
    for at, length in walk(options):
        end = at + length
    while end < len(options) and options[end] == NO_OPERATION:
        end += 1
    if end < len(options) and options[end] != END_OF_OPTIONS:
        return options
    edited = options[:end] + addition
    edited += bytes(-len(edited) % 4)
    return options if not addition or len(edited) > MAX_OPTIONS_BYTES else edited


def of_kind(kinds: frozenset[int]) -> Callable[[bytes], bool]:
    """Return a match for options of some kinds."""
    return lambda option: option[0] in kinds


def not_of_kind(kinds: frozenset[int]) -> Callable[[bytes], bool]:
    """Return a match for options of any other kind; no-operations and the end are no options."""
    return lambda option: option[0] not in kinds


def found(options: bytes, match: Callable[[bytes], bool]) -> bytes:
    """Return the options that match, one after the other without padding."""
    return b"".join(
        options[at : at + length]
        for at, length in walk(options)
        if match(options[at : at + length])
    )


def check_kinds(kinds: frozenset[int], *, besides: frozenset[int] = frozenset()) -> None:
    """See that numbers are option kinds.

    Args:
        kinds: What was given.
        besides: Kinds that are not meant here.

    Raises:
        ValueError: One of them is not; the message names it.
    """
    for kind in sorted(kinds):
        if not NO_OPERATION < kind <= MAX_KIND or kind in besides:
            raise ValueError(f"option kind {kind} cannot be used here")


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
