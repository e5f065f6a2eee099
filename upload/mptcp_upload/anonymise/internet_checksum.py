"""Carry a checksum over a change: right stays right, wrong stays wrong by as much (RFC 1624)."""

from mptcp_upload.anonymise.frame_layout import Checksum

_ONES = 0xFFFF


def carried(before: bytes, after: bytearray, checksum: Checksum) -> int:
    """Return the field's new value.

    Args:
        before: The frame as it was.
        after: The frame with everything changed but this field.
        checksum: Which, and what it covers.
    """
    at = checksum.at
    value = int.from_bytes(before[at : at + 2])
    old = sum(_sum(before[s:e]) for s, e in checksum.covers)
    new = sum(_sum(after[s:e]) for s, e in checksum.covers)
    if checksum.pseudo is not None and _is_partial(before, value, checksum):
        return _folded(_sum(after[slice(*checksum.covers[0])]) + checksum.pseudo)
    delta = (new - old) % _ONES
    return value if not delta else _ONES - (_ONES - value + delta) % _ONES & _ONES


def _is_partial(before: bytes, value: int, checksum: Checksum) -> bool:
    """Say whether a card was to fill it in: it holds the sum of the pseudo header only."""
    pseudo = _sum(before[slice(*checksum.covers[0])]) + (checksum.pseudo or 0)
    return value == _folded(pseudo)


def _sum(octets: bytes | bytearray) -> int:
    """Return the sum of the 16-bit words modulo 65535, an odd byte padded with 0."""
    number = int.from_bytes(octets)
    return (number << 8 if len(octets) & 1 else number) % _ONES


def _folded(total: int) -> int:
    return total % _ONES or _ONES
