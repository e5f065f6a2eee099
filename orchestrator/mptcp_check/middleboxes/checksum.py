"""The Internet checksum (RFC 1071) and its incremental update (RFC 1624)."""

_MODULUS = 0xFFFF


def ones_sum(data: bytes | bytearray | memoryview) -> int:
    """Return the one's complement sum of the 16-bit words of some bytes, as 0 to 0xFFFE.

    As 2**16 leaves the remainder 1 when divided by 65535, the sum of the words is the whole
    number's remainder, which Python computes without a loop over the words.  An odd last byte
    counts as if a zero byte followed it (RFC 1071, section 1).

    Args:
        data: Bytes that start at an even offset of what the checksum covers.

    Returns:
        The sum modulo 65535; zero stands for both 0 and 0xFFFF.
    """
    number = int.from_bytes(data, "big")
    if len(data) % 2:
        number <<= 8
    return number % _MODULUS


def updated(checksum: int, before: int, after: int) -> int:
    """Return a checksum after a change of some of the words that it covers.

    ``HC' = ~(~HC + ~m + m')`` (RFC 1624, section 3).  The update keeps a checksum that was wrong
    before just as wrong: a middlebox that repaired it would hide damage from the receiver.

    Args:
        checksum: The checksum field before the change, 0 to 0xFFFF.
        before: `ones_sum` of the covered bytes that change, as they were.
        after: `ones_sum` of what stands there now.

    Returns:
        The new field, 0 to 0xFFFE: a sum that is not all zero never folds to zero, so a sender
        never writes 0xFFFF (RFC 1624, section 3).
    """
    total = (_MODULUS - checksum - before + after) % _MODULUS
    return _MODULUS - (total or _MODULUS)
