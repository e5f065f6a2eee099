"""Write what captures hold as tables, each both as Parquet and as CSV, for other programs.

pyarrow is loaded when it is needed: it takes longer to load than a small capture to inspect.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from mptcp_check import new_folder
from mptcp_check.analysis.tables import (
    connection_table,
    crossing_table,
    mapping_table,
    packet_table,
)
from mptcp_check.analysis.tables.connection_table import CONNECTION_HEADINGS, SUBFLOW_HEADINGS
from mptcp_check.analysis.tables.mapping_table import Mappings
from mptcp_check.analysis.tables.placing import place
from mptcp_check.analysis.tables.table import Cells, Heading, Table
from mptcp_check.inspecting import Inspected

TABLES: Final[dict[str, Sequence[Heading]]] = {
    "packets": packet_table.HEADINGS,
    "mappings": mapping_table.HEADINGS,
    "subflows": SUBFLOW_HEADINGS,
    "connections": CONNECTION_HEADINGS,
}
"""The tables by the names of their files."""

BATCH_CONNECTIONS: Final = 2000
"""Made into rows at once."""

ACTIVE: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell of text that starts with one of these is taken for a formula by spreadsheets."""


def export(
    captures: Sequence[Inspected], folder: Path, *, crossings: Iterable[Table] | None = None
) -> None:
    """Write the tables of captures to a folder.

    Args:
        captures: What was inspected; connections are numbered through, as in the document.
        folder: New or empty; it is written whole or not at all.
        crossings: A further table, of two captures together.

    Raises:
        UsageError: The folder cannot be written.
    """
    with new_folder.whole(folder) as place_to_write, ExitStack() as stack:
        files = {
            name: stack.enter_context(_TableFile(place_to_write / name, headings))
            for name, headings in TABLES.items()
        }
        first = 0
        for index, inspected in enumerate(captures):
            for name, table in _tables(inspected, file=index, first=first):
                files[name].write(table)
            first += len(inspected.inspection.connections)
        if crossings is not None:
            path = place_to_write / crossing_table.NAME
            file = stack.enter_context(_TableFile(path, crossing_table.HEADINGS))
            for table in crossings:
                file.write(table)


def _tables(inspected: Inspected, *, file: int, first: int) -> Iterator[tuple[str, Table]]:
    connections = inspected.inspection.connections
    numbers: dict[str, int] = {"file": file, "first_connection": first}
    rest = iter(connections)
    while some := list(itertools.islice(rest, BATCH_CONNECTIONS)):
        yield "connections", connection_table.connection_table(some, **numbers)
        yield "subflows", connection_table.subflow_table(some, **numbers)
    mappings = Mappings()
    given = inspected.given
    for placed in place(given.octets, connections, given.release):
        yield "packets", packet_table.packet_table(placed, **numbers)
        for rows in mappings.take(placed):
            yield "mappings", mapping_table.mapping_table(rows, **numbers)
    yield "mappings", mapping_table.mapping_table(mappings.rest(), **numbers)


class _TableFile:
    """A table that is written piece by piece, to two files."""

    def __init__(self, path: Path, headings: Sequence[Heading]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - see the module
        from pyarrow import csv, parquet  # noqa: PLC0415 - see the module

        self._arrow = pa
        self._headings = headings
        self._schema = pa.schema([(h.name, _arrow_type(pa, h.kind)) for h in headings])
        self._writers: tuple[Any, ...] = (
            parquet.ParquetWriter(path.with_suffix(".parquet"), self._schema, compression="zstd"),
            csv.CSVWriter(path.with_suffix(".csv"), self._schema),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.close()

    def write(self, table: Table) -> None:
        """Append rows."""
        for writer, safe in zip(self._writers, (False, True), strict=True):
            arrays = [self._array(table[h.name], h, safe=safe) for h in self._headings]
            writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def _array(self, cells: Cells, heading: Heading, *, safe: bool) -> Any:  # noqa: ANN401 - pyarrow
        pa = self._arrow
        if cells.words is None:
            kind = _arrow_type(pa, heading.kind)
            return pa.array(cells.values, mask=cells.missing).cast(kind)
        words = [harmless(word) for word in cells.words] if safe else list(cells.words)
        indexes = pa.array(cells.values, mask=cells.missing)
        return pa.DictionaryArray.from_arrays(indexes, pa.array(words, pa.string())).cast(
            pa.string()
        )


def harmless(text: str) -> str:
    """Return a cell of text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(ACTIVE) else text


def _arrow_type(pa: Any, kind: str) -> Any:  # noqa: ANN401 - pyarrow
    return {"text": pa.string(), "bool": pa.bool_()}.get(kind) or pa.type_for_alias(kind)
