"""Sequence numbers: 32 bits on the wire, counted without a wrap inside (RFC 9293, section 3.4)."""

MASK = 0xFFFF_FFFF
_HALF = 0x8000_0000


def unwrapped(sequence: int, near: int) -> int:
    """Return the number that is ``sequence`` modulo 2**32 and nearest to another.

    Args:
        sequence: 0 to 2**32 - 1, as it stands in a header.
        near: A number of the same count that is at most 2**31 away, such as the newest seen.
    """
    return near + ((sequence - near + _HALF) & MASK) - _HALF


def distance(start: int, end: int) -> int:
    """Return how far it is from one sequence number to another, negative if ``end`` is older."""
    return unwrapped(end, start) - start
