"""The loops that two captures need, compiled: options, and the hull below delays."""

from typing import Any, Final

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import be32, byte, kernel
from mptcp_check.analysis.capture.option_kernel import next_option

SACK: Final = 5
"""TCP option kind: RFC 2018, section 3."""
MOST_BLOCKS: Final = 4
"""SACK blocks that fit the 40 bytes of a TCP header's options."""
TIMESTAMPS_KIND: Final = 8
MODULUS: Final = (1 << 53) - 111
"""A prime: times 257 it is still below 2**62, so nothing overflows."""


@kernel
def digest_options(buffer: Any, offset: Column, length: Column, digest: Column) -> None:  # noqa: ANN401 - see `kernels.readable`
    """Write for each option list a number that is equal for equal lists.

    Args:
        buffer: The capture.
        offset: int64: where each list starts.
        length: int64: how many bytes of it there are.
        digest: int64, filled.
    """
    for index in range(len(offset)):
        found = 1
        for at in range(offset[index], offset[index] + length[index]):
            found = (found * 257 + byte(buffer, at)) % MODULUS
        digest[index] = found


@kernel
def sack_blocks(  # noqa: PLR0917 - a kernel takes positions
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    offset: Column,
    length: Column,
    segment: Column,
    left: Column,
    right: Column,
) -> int:
    """Read the SACK blocks of option lists: RFC 2018, section 3.

    Args:
        buffer: The capture.
        offset: int64: where each list starts.
        length: int64: how many bytes of it there are.
        segment: int64, filled: index of the list of each block.
        left: int64, filled: first sequence number of each block, 32 bits.
        right: int64, filled: the one after its last.

    Returns:
        How many blocks there are; the columns have room for `MOST_BLOCKS` per list.
    """
    count = 0
    for index in range(len(offset)):
        at = offset[index]
        stop = at + length[index]
        room = count + MOST_BLOCKS
        while at < stop:
            kind, size, end, problem = next_option(buffer, at, stop, stop)
            if problem != 0 or kind == 0:
                break
            if kind == SACK:
                place = at + 2
                while place + 8 <= end and count < room:
                    segment[count] = index
                    left[count] = be32(buffer, place)
                    right[count] = be32(buffer, place + 4)
                    count += 1
                    place += 8
            at += size
    return count


@kernel
def lower_hull(x: Column, y: Column, chosen: Column) -> int:
    """Find the corners of the convex hull below points: Andrew's monotone chain.

    Args:
        x: float64, never decreasing.
        y: float64.
        chosen: int64, filled: indexes of the corners, from left to right.

    Returns:
        How many corners there are.
    """
    count = 0
    for index in range(len(x)):
        while count > 0 and x[chosen[count - 1]] == x[index] and y[chosen[count - 1]] >= y[index]:
            count -= 1
        if count > 0 and x[chosen[count - 1]] == x[index]:
            continue
        while count > 1:
            a, b = chosen[count - 2], chosen[count - 1]
            # the corner stays only where the chain turns left in it
            turn = (x[b] - x[a]) * (y[index] - y[a]) - (y[b] - y[a]) * (x[index] - x[a])
            if turn > 0:
                break
            count -= 1
        chosen[count] = index
        count += 1
    return count
