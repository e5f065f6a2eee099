"""Rows as text are what Python writes of the same values."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.reporting.json_rows import Texts, object_template
from mptcp_check.analysis.tables.table import Cells

NUMBERS = st.integers(-(1 << 63) + 1, (1 << 63) - 1)
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
ROW = st.tuples(
    st.none() | NUMBERS,
    st.none() | st.booleans(),
    st.none() | FRACTIONS,
    st.none() | st.text(max_size=20),
)
NAMES = ("number", "truth", "fraction", "text")


def column(cells: list[Any], kind: type, nothing: object) -> Cells:
    missing = np.array([cell is None for cell in cells], np.bool_)
    given = [nothing if cell is None else cell for cell in cells]
    if kind is str:
        return Cells(values=np.arange(len(cells)), missing=missing, words=given)
    return Cells(values=np.array(given, kind), missing=missing)


def lines(texts: Texts) -> list[str]:
    pool = texts.pool.tobytes()
    return [
        pool[start:end].decode()
        for start, end in zip(texts.starts.tolist(), texts.ends.tolist(), strict=True)
    ]


@given(st.lists(ROW, max_size=8))
@settings(deadline=None)  # the first call may compile
def test_a_row_is_what_json_makes_of_its_cells(rows: list[tuple[Any, ...]]) -> None:
    kinds = ((np.int64, 0), (np.bool_, False), (np.float64, 0.0), (str, ""))
    columns = {
        name: column([row[place] for row in rows], kind, nothing)
        for place, (name, (kind, nothing)) in enumerate(zip(NAMES, kinds, strict=True))
    }
    template = object_template({name: name for name in NAMES})

    assert lines(template.fill(columns, len(rows))) == [
        json.dumps(dict(zip(NAMES, row, strict=True))) for row in rows
    ]


@given(st.lists(NUMBERS, min_size=1, max_size=8))
@settings(deadline=None)  # as above
def test_rows_stand_in_rows(numbers: list[int]) -> None:
    inner = object_template({"n": "n"}, after=", ").fill(
        {"n": Cells(values=np.array(numbers))}, len(numbers)
    )
    outer = object_template({"all": "all", "one": "one"}, arrays=("all",))
    whole = Texts(inner.pool, inner.starts[:1], inner.ends[-1:] - len(", "))
    text = outer.fill({"all": whole, "one": Cells(values=np.array([1]))}, 1)

    assert lines(text) == [json.dumps({"all": [{"n": number} for number in numbers], "one": 1})]
