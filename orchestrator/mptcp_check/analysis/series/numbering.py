"""Sequence numbers that wrap around, made comparable: RFC 9293, section 3.4; RFC 8684, section 3.3.

A 32-bit number is taken for the one nearest to the number before it; half the space (2 GiB) is more
than any window (RFC 7323, section 2.3: below 1 GiB), so this is never in doubt on real traffic.
"""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import kernel

SPACE: Final = 1 << 32
HALF: Final = 1 << 31
FAR: Final = 1 << 32
"""A jump of more is not believed unless the next number confirms it."""
LARGEST: Final = 1 << 61
"""Differences of numbers below this never overflow."""


def relative(numbers: Column, origin: int, wide: Column) -> Column:
    """Return int64 distances from an origin: modulo 2**64 and near enough to 0 to be subtracted.

    Args:
        numbers: uint64.
        origin: Of 64 bits.
        wide: bool: where not, only the low 32 bits of number and distance count.
    """
    distance = (numbers.astype(np.uint64) - np.uint64(origin)).view(np.int64)
    return np.where(wide, np.clip(distance, -LARGEST, LARGEST), distance & (SPACE - 1))


@kernel
def follow(values: Column, wide: Column, reference: int) -> tuple[Column, Column]:
    """Follow numbers in the order of time.

    Args:
        values: int64 within `LARGEST`; where not `wide` only the low 32 bits count.
        wide: bool: all 64 bits are known.
        reference: Where the first number is expected.

    Returns:
        int64 numbers, and bool: believed.  One number far away is not believed; a second one in
        its neighbourhood is, as after a hole in the capture.
    """
    numbers = np.empty(len(values), np.int64)
    believed = np.empty(len(values), np.bool_)
    candidate = reference
    for index in range(len(values)):
        number = values[index]
        if not wide[index]:
            number = reference + ((number - reference + HALF) & (SPACE - 1)) - HALF
        numbers[index] = number
        believed[index] = abs(number - reference) <= FAR or (
            candidate != reference and abs(number - candidate) <= FAR
        )
        candidate = number
        if believed[index]:
            reference = number
    return numbers, believed


def unwrapped(numbers: Column, first: int) -> Column:
    """Return 32-bit numbers in the order of time as int64 distances from the first one."""
    values = (numbers.astype(np.int64) - first) & (SPACE - 1)
    return follow(values, np.zeros(len(values), np.bool_), 0)[0]


def nearest(numbers: Column, references: Column) -> Column:
    """Return 32-bit numbers as the int64 nearest to a reference each."""
    distance = (numbers.astype(np.int64) - references + HALF) & (SPACE - 1)
    return np.asarray(references + distance - HALF)
