"""A table as plain columns, for whatever writes it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Heading(NamedTuple):
    """What a column is."""

    name: str
    kind: str
    """A NumPy type's name, or ``text``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """One column."""

    values: npt.NDArray[Any]
    """Numbers; of a column of text, indexes into `words`."""
    missing: npt.NDArray[np.bool_] | None = None
    """Where there is nothing."""
    words: Sequence[str] | None = None


Table = dict[str, Cells]
"""By the names of its headings, all of one length."""


def numbers(values: npt.NDArray[Any], present: npt.NDArray[np.bool_] | None = None) -> Cells:
    """Return a column of numbers, with cells only where `present` says so."""
    return Cells(values=values, missing=None if present is None else ~present)


def one_of(indexes: npt.NDArray[Any], words: Sequence[str]) -> Cells:
    """Return a column of text by indexes into a list of words."""
    return Cells(values=indexes.astype(np.int32), words=words)


def constant(number: int, rows: int) -> Cells:
    """Return a column that has one number everywhere."""
    return Cells(values=np.full(rows, number, dtype=np.int64))


def rows_of(table: Table, make: Callable[..., Any] | None = None) -> Iterator[Any]:
    """Yield the rows of a table, as tuples, or as what is made of their cells by name."""
    columns = [cells_of(cells) for cells in table.values()]
    names = tuple(table)
    for row in zip(*columns, strict=True):
        yield make(**dict(zip(names, row, strict=True))) if make else row


def cells_of(cells: Cells) -> Sequence[Any]:
    """Return a column as Python's values; none where there is nothing."""
    values: list[Any] = cells.values.tolist()
    if cells.words is not None:
        values = [cells.words[index] for index in values]
    if cells.missing is not None and cells.missing.any():
        gone = cells.missing.tolist()
        return [None if no else value for value, no in zip(values, gone, strict=True)]
    return values
