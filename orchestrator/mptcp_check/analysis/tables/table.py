"""A table as plain columns, for whatever writes it."""

from collections.abc import Sequence
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
