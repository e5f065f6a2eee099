"""Tables as JSON, an object per row, without a value in Python for any of their cells.

What is written is what `json.dumps` writes of the same rows.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.reporting.row_kernel import (
    LONGEST_NUMBER,
    NOTHING,
    NUMBER,
    TEXT,
    TRUTH,
    write_rows,
)
from mptcp_check.analysis.tables.table import Cells


class Texts(NamedTuple):
    """A column of text: parts of one text."""

    pool: npt.NDArray[np.uint8]
    starts: Column
    ends: Column


NO_TEXTS: Final = Texts(np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))


class Template:
    """What rows look like.

    Args:
        parts: By turns what stands as it is and the name of a column; the first and the last
            stand as they are.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        literals = [part.encode() for part in parts[::2]]
        self.names = tuple(parts[1::2])
        self._literals = np.frombuffer(b"".join(literals), np.uint8)
        self._literal_ends = np.array(list(itertools.accumulate(map(len, literals))), np.int64)

    def fill(self, columns: Mapping[str, Cells | Texts], rows: int) -> Texts:
        """Return the rows as text.

        Args:
            columns: At least those that are named; of `Cells` with words and of numbers with
                fractions JSON is made, `Texts` stand as they are.
            rows: How many there are.
        """
        cells = np.empty((len(self.names), rows), np.int64)
        kinds = np.empty(len(self.names), np.int64)
        texts: list[Texts] = []
        known = 0
        for place, name in enumerate(self.names):
            column = columns[name]
            if isinstance(column, Texts):
                texts.append(column)
                kinds[place], cells[place] = TEXT, np.arange(known, known + rows)
            elif column.words is not None:
                texts.append(_quoted(column.words))
                kinds[place], cells[place] = TEXT, column.values + known
            elif column.values.dtype.kind == "f":
                texts.append(_fractions(column))
                kinds[place], cells[place] = TEXT, np.arange(known, known + rows)
            else:
                kinds[place] = TRUTH if column.values.dtype.kind == "b" else NUMBER
                cells[place] = column.values
            known = sum(len(text.starts) for text in texts)
            if isinstance(column, Cells) and column.missing is not None:
                cells[place, column.missing] = NOTHING
        return self._written(cells, kinds, _together(texts))

    def _written(self, cells: Column, kinds: Column, texts: Texts) -> Texts:
        rows = cells.shape[1]
        size = rows * (len(self._literals) + LONGEST_NUMBER * int((kinds != TEXT).sum()))
        lengths = texts.ends - texts.starts
        for column in cells[kinds == TEXT]:
            there = column[column != NOTHING]
            size += int(lengths[there].sum()) + 4 * (rows - len(there))
        out = np.empty(size, np.uint8)
        ends = np.empty(rows, np.int64)
        written = int(
            write_rows(
                out,
                self._literals,
                self._literal_ends,
                kinds,
                cells,
                texts.pool,
                texts.starts,
                texts.ends,
                ends,
            )
        )
        starts = np.concatenate([[0], ends[:-1]]) if rows else ends
        return Texts(out[:written], starts, ends)


def object_template(
    members: Mapping[str, str],
    *,
    arrays: Sequence[str] = (),
    before: str = "",
    after: str = "",
) -> Template:
    """Return a template of a JSON object.

    Args:
        members: The column of each key.
        arrays: Columns that hold the elements of an array.
        before: What stands before the object.
        after: What stands behind it.
    """
    parts: list[str] = []
    separator = before + "{"
    for key, column in members.items():
        array = column in arrays
        parts += [f"{separator}{json.dumps(key)}: {'[' * array}", column]
        separator = f"{']' * array}, "
    return Template([*parts, f"{separator.removesuffix(', ')}}}{after}"])


def _quoted(words: Sequence[str]) -> Texts:
    return _joined([json.dumps(str(word)) for word in words])


def _fractions(column: Cells) -> Texts:
    """Return numbers as Python writes them: with the fewest digits that tell them apart."""
    values = column.values.tolist()
    if column.missing is None:
        return _joined([repr(value) for value in values])
    gone = column.missing.tolist()
    return _joined(["" if no else repr(value) for value, no in zip(values, gone, strict=True)])


def _joined(texts: Sequence[str]) -> Texts:
    # All of it is ASCII: a character is a byte.
    ends = np.array(list(itertools.accumulate(map(len, texts))), np.int64)
    pool = np.frombuffer("".join(texts).encode(), np.uint8)
    return Texts(pool, np.concatenate([[0], ends[:-1]]) if len(ends) else ends, ends)


def _together(texts: Sequence[Texts]) -> Texts:
    if not texts:
        return NO_TEXTS
    before = list(itertools.accumulate((len(text.pool) for text in texts), initial=0))
    return Texts(
        np.concatenate([text.pool for text in texts]),
        np.concatenate([text.starts + at for text, at in zip(texts, before[:-1], strict=True)]),
        np.concatenate([text.ends + at for text, at in zip(texts, before[:-1], strict=True)]),
    )
