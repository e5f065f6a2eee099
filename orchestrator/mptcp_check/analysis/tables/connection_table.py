"""One row per connection and one per subflow, with all metrics side by side.

The columns are the fields of the values in `metrics.values`, those of one direction with ``c2s_``
or ``s2c_`` before their names.
"""

import types
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final, get_args, get_type_hints

import numpy as np

from mptcp_check.analysis.metrics.values import (
    ConnectionMetrics,
    DataMetrics,
    DirectionMetrics,
    RoundTrips,
    SubflowMetrics,
)
from mptcp_check.analysis.reporting.inspect_document import token_text
from mptcp_check.analysis.tables.table import Cells, Heading, Table

KINDS: Final = {int: "int64", float: "float64", bool: "bool"}
TOKENS: Final = frozenset({"token", "token_client", "token_server"})


def _headings(kind: type, prefix: str = "") -> Iterator[Heading]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        name = prefix + field.name
        if hint is RoundTrips:
            yield from _headings(RoundTrips, f"{name}_")
        elif hint in (DirectionMetrics, DataMetrics):
            yield from _headings(hint, f"{name}_")
        elif field.name == "subflows":
            yield Heading(name, "int64")
        elif field.name in TOKENS:
            yield Heading(name, "text")
        else:
            if isinstance(hint, types.UnionType):
                hint = get_args(hint)[0]
            yield Heading(name, KINDS.get(hint, "text"))


CONNECTION_HEADINGS: Final = (Heading("file", "int64"), *_headings(ConnectionMetrics))
SUBFLOW_HEADINGS: Final = (
    Heading("file", "int64"),
    Heading("connection", "int64"),
    *_headings(SubflowMetrics),
)


def connection_table(
    connections: Sequence[ConnectionMetrics], *, file: int, first_connection: int
) -> Table:
    """Return the rows of one capture's connections; ``subflows`` is how many there are."""
    rows = [
        {
            **_flat(connection),
            "file": file,
            "id": first_connection + connection.id,
            "subflows": len(connection.subflows),
        }
        for connection in connections
    ]
    return _table(rows, CONNECTION_HEADINGS)


def subflow_table(
    connections: Sequence[ConnectionMetrics], *, file: int, first_connection: int
) -> Table:
    """Return the rows of one capture's subflows."""
    rows = [
        {**_flat(subflow), "file": file, "connection": first_connection + connection.id}
        for connection in connections
        for subflow in connection.subflows
    ]
    return _table(rows, SUBFLOW_HEADINGS)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401 - any of the values
    """Return the fields of a value by their column names."""
    row: dict[str, Any] = {}
    for field in fields(value):
        cell, name = getattr(value, field.name), prefix + field.name
        if isinstance(cell, (RoundTrips, DirectionMetrics, DataMetrics)):
            row |= _flat(cell, f"{name}_")
        elif field.name in TOKENS:
            row[name] = token_text(cell)
        else:
            row[name] = cell
    return row


def _table(rows: Sequence[dict[str, Any]], headings: Sequence[Heading]) -> Table:
    return {
        heading.name: _column([row[heading.name] for row in rows], heading.kind)
        for heading in headings
    }


def _column(cells: Sequence[Any], kind: str) -> Cells:
    missing = np.array([cell is None for cell in cells], dtype=np.bool_)
    if kind == "text":
        texts = ["" if cell is None else str(cell) for cell in cells]
        return Cells(values=np.arange(len(texts)), missing=missing, words=texts)
    values = np.array([0 if cell is None else cell for cell in cells], dtype=kind)
    return Cells(values=values, missing=missing)
