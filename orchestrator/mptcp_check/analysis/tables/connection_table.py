"""One row per connection and one per subflow, with all metrics side by side.

The columns are the fields of the values in `metrics.values`, those of one direction with ``c2s_``
or ``s2c_`` before their names.
"""

import types
from collections.abc import Iterator
from dataclasses import fields
from typing import Final, get_args, get_type_hints

import numpy as np

from mptcp_check.analysis.metrics.results import Batch
from mptcp_check.analysis.metrics.values import (
    ConnectionMetrics,
    DataMetrics,
    DirectionMetrics,
    RoundTrips,
    SubflowMetrics,
)
from mptcp_check.analysis.reporting.inspect_document import token_texts
from mptcp_check.analysis.tables.table import Heading, Table, constant, numbers

KINDS: Final = {int: "int64", float: "float64", bool: "bool"}
SIDES: Final = ("c2s", "s2c")
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


def connection_table(batch: Batch, *, file: int, first_connection: int) -> Table:
    """Return the rows of some of a capture's connections; ``subflows`` is how many there are."""
    rows = batch.connections
    table: Table = {
        **rows,
        **{name: token_texts(rows[name]) for name in ("token_client", "token_server")},
        "file": constant(file, len(batch)),
        "id": numbers(rows["id"].values + first_connection),
        "subflows": numbers(np.diff(batch.starts)),
    }
    return table | _sides(batch.data)


def subflow_table(batch: Batch, *, file: int, first_connection: int) -> Table:
    """Return the rows of some connections' subflows."""
    rows = batch.subflows
    connection = np.repeat(batch.connections["id"].values, np.diff(batch.starts))
    table: Table = {
        **rows,
        "token": token_texts(rows["token"]),
        "file": constant(file, len(connection)),
        "connection": numbers(connection + first_connection),
    }
    return table | _sides(batch.directions)


def _sides(tables: tuple[Table, Table]) -> Table:
    return {
        f"{side}_{name}": cells
        for side, table in zip(SIDES, tables, strict=True)
        for name, cells in table.items()
    }
