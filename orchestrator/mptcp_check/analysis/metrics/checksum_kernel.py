"""DSS checksums, compiled: RFC 8684, section 3.3.1, over data that comes in several segments.

A checksum covers the whole mapping and a pseudo-header of data sequence number, subflow sequence
number, length and two zero bytes.  A sum does not depend on the order of its terms: every byte is
added when its segment comes for the first time, at the even or odd place that it has in the
mapping, and the mapping is judged when all of its bytes were there.
"""

from typing import Any, Final

from mptcp_check.analysis.capture.kernels import byte, kernel
from mptcp_check.analysis.metrics.interval_kernel import given_back, taken
from mptcp_check.analysis.metrics.state_tables import BLOCK_WORDS, UNKNOWN

WORDS: Final = 4
"""Elements of a mapping that waits: first byte, byte after the last one, bytes missing, sum."""
PENDING_CLASS: Final = 3
MOST_PENDING: Final = (BLOCK_WORDS << PENDING_CLASS) // WORDS
"""With more mappings that wait for data, the oldest one stays unjudged."""

MODULUS: Final = 0xFFFF
"""Sums are taken modulo 2 ** 16 - 1, which is one's complement: RFC 1071, section 2."""


@kernel
def words_of(high: int, low: int) -> Any:  # noqa: ANN401 - an integer, of Numba's or Python's kind
    """Return the sum of the 16-bit words of a number of two 32-bit halves."""
    return (high >> 16) + (high & 0xFFFF) + (low >> 16) + (low & 0xFFFF)


@kernel
def expect(one: Any, arena: Any, blocks: Any, start: int, end: int, known: int) -> None:  # noqa: ANN401, PLR0917 - a kernel
    """Wait for the data of a mapping.

    Args:
        one: The direction.
        arena: Blocks.
        blocks: What of the arena is free.
        start: Its first byte of payload, counted as the direction's segments are.
        end: The byte after its last one; `start` where it has only a DATA_FIN.
        known: Sum of pseudo-header and checksum.
    """
    one.checksums += 1
    if start == end:
        judge(one, known)
        return
    if one.pending == UNKNOWN:
        one.pending = taken(arena, blocks, PENDING_CLASS)
    if one.pending_count == MOST_PENDING:
        forget(one, arena, 0)
    place = one.pending + one.pending_count * WORDS
    arena[place] = start
    arena[place + 1] = end
    arena[place + 2] = end - start
    arena[place + 3] = known
    one.pending_count += 1


@kernel
def forget(one: Any, arena: Any, position: int) -> None:  # noqa: ANN401 - a kernel
    """Take a mapping out of those that wait."""
    first = one.pending + position * WORDS
    for word in range(first, one.pending + (one.pending_count - 1) * WORDS):
        arena[word] = arena[word + WORDS]
    one.pending_count -= 1


@kernel
def judge(one: Any, total: int) -> None:  # noqa: ANN401 - a kernel
    """Count a mapping whose sum is complete: right ones are a multiple of the modulus."""
    if total % MODULUS == 0:
        one.checksums_ok += 1
    else:
        one.checksums_bad += 1


@kernel
def add_payload(  # noqa: PLR0917 - a kernel takes positions
    one: Any,  # noqa: ANN401 - a kernel
    arena: Any,  # noqa: ANN401 - a kernel
    blocks: Any,  # noqa: ANN401 - a kernel
    buffer: Any,  # noqa: ANN401 - a kernel
    at: int,
    start: int,
    end: int,
) -> None:
    """Add a segment's payload to the mappings that wait for it.

    Args:
        one: The direction.
        arena: Blocks.
        blocks: What of the arena is free.
        buffer: The capture.
        at: Where the payload is in it.
        start: Its first byte, counted as the direction's segments are.
        end: The byte after its last one.
    """
    position = 0
    while position < one.pending_count:
        place = one.pending + position * WORDS
        low, high = max(start, arena[place]), min(end, arena[place + 1])
        if low < high:
            offset = at + low - start
            arena[place + 3] += piece(buffer, offset, high - low, low - arena[place])
            arena[place + 2] -= high - low
            if arena[place + 2] == 0:
                judge(one, arena[place + 3])
                forget(one, arena, position)
                continue
        position += 1
    if one.pending_count == 0:
        given_back(arena, blocks, one.pending, PENDING_CLASS)
        one.pending = UNKNOWN


@kernel
def piece(buffer: Any, at: int, size: int, offset: int) -> Any:  # noqa: ANN401 - a kernel
    """Return the sum of some bytes of a mapping that begin at an offset in it."""
    even, odd = 0, 0
    pairs = size // 2
    for pair in range(pairs):
        even += byte(buffer, at + 2 * pair)
        odd += byte(buffer, at + 2 * pair + 1)
    if size % 2:
        even += byte(buffer, at + size - 1)
    if offset % 2:
        even, odd = odd, even
    return even * 0x100 + odd
