"""Write rows of a table into a text: as JSON, a hundred thousand connections are 374 megabytes."""

from typing import Any, Final

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import int64, kernel

NUMBER, TRUTH, TEXT = range(3)
"""What a cell is: the number itself, 0 or 1, the place of a text."""

NOTHING: Final = -(1 << 63)
"""The number of a cell without anything."""

LONGEST_NUMBER: Final = 20
"""Characters of the longest number of 64 bits, with its sign."""

NULL: Final = (0x6E, 0x75, 0x6C, 0x6C)
TRUE: Final = (0x74, 0x72, 0x75, 0x65)
FALSE: Final = (0x66, 0x61, 0x6C, 0x73, 0x65)
MINUS: Final = 0x2D
ZERO: Final = 0x30


@kernel
def write_rows(  # noqa: C901, PLR0912, PLR0913, PLR0917 - a kernel
    out: Any,  # noqa: ANN401 - a kernel
    literals: Any,  # noqa: ANN401 - as above
    literal_ends: Column,
    kinds: Column,
    cells: Column,
    pool: Any,  # noqa: ANN401 - as above
    text_starts: Column,
    text_ends: Column,
    row_ends: Column,
) -> int:
    """Write rows one after the other: literal, cell, literal, cell, and so on, literal.

    Args:
        out: uint8, filled; there is room for all of it.
        literals: What stands before each cell and after the last one, together.
        literal_ends: int64: where each of them ends.
        kinds: int64, one per column: `NUMBER`, `TRUTH` or `TEXT`.
        cells: int64, shape (columns, rows).
        pool: uint8: all texts.
        text_starts: int64: where each text begins in the pool.
        text_ends: int64: where it ends.
        row_ends: int64, filled: where each row ends in `out`.

    Returns:
        How many bytes were written.
    """
    at = 0
    columns = len(kinds)
    for row in range(len(row_ends)):
        start = 0
        for column in range(columns):
            for place in range(start, literal_ends[column]):
                out[at] = literals[place]
                at += 1
            start = literal_ends[column]
            cell = int64(cells[column, row])
            if cell == NOTHING:
                for place in range(4):
                    out[at + place] = NULL[place]
                at += 4
            elif kinds[column] == NUMBER:
                at = write_number(out, at, cell)
            elif kinds[column] == TEXT:
                for place in range(text_starts[cell], text_ends[cell]):
                    out[at] = pool[place]
                    at += 1
            elif cell:
                for place in range(4):
                    out[at + place] = TRUE[place]
                at += 4
            else:
                for place in range(5):
                    out[at + place] = FALSE[place]
                at += 5
        for place in range(start, literal_ends[columns]):
            out[at] = literals[place]
            at += 1
        row_ends[row] = at
    return at


@kernel
def write_number(out: Any, at: int, number: int) -> int:  # noqa: ANN401 - a kernel
    """Write a number in decimal; return where it ends."""
    if number < 0:
        out[at] = MINUS
        at += 1
        number = -number
    digits = 1
    rest = number // 10
    while rest:
        digits += 1
        rest //= 10
    for place in range(digits - 1, -1, -1):
        out[at + place] = ZERO + number % 10
        number //= 10
    return at + digits
