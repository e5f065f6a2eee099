"""Write what captures hold as tables, each both as Parquet and as CSV, for other programs.

pyarrow is loaded when it is needed: it takes longer to load than a small capture to inspect.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
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
from mptcp_check.analysis.tables.placing import Read, place
from mptcp_check.analysis.tables.table import Cells, Heading, Table
from mptcp_check.capture_input import Progress
from mptcp_check.inspecting import Inspected

OF_PACKETS: Final[dict[str, Sequence[Heading]]] = {
    "packets": packet_table.HEADINGS,
    "mappings": mapping_table.HEADINGS,
}
OF_CONNECTIONS: Final[dict[str, Sequence[Heading]]] = {
    "subflows": SUBFLOW_HEADINGS,
    "connections": CONNECTION_HEADINGS,
}
TABLES: Final = OF_PACKETS | OF_CONNECTIONS
"""The tables by the names of their files."""

GROUP_ROWS: Final = 1 << 15
"""Rows of a Parquet row group: fewer make readers slow, more have to be in memory at once."""
GROUP_CELLS: Final = 1 << 20
"""Cells of a row group of a table with many columns."""

ACTIVE: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell of text that starts with one of these is taken for a formula by spreadsheets."""


def export(
    captures: Sequence[Inspected],
    folder: Path,
    *,
    crossings: Iterable[Table] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the tables of captures to a folder.

    Args:
        captures: What was inspected; connections are numbered through, as in the document.
        folder: New or empty; it is written whole or not at all.
        crossings: A further table, of two captures together.
        progress: Told how many bytes of each capture were made into rows.

    Raises:
        UsageError: The folder cannot be written.
    """
    with new_folder.whole(folder) as place_to_write:
        for tables, make in ((OF_CONNECTIONS, _of_connections), (OF_PACKETS, _of_packets)):
            with ExitStack() as stack:
                files = {
                    name: stack.enter_context(_TableFile(place_to_write / name, headings))
                    for name, headings in tables.items()
                }
                first = 0
                for index, inspected in enumerate(captures):
                    read = inspected.given.telling(progress)
                    for name, table in make(inspected, read, index, first):
                        files[name].write(table)
                    first += len(inspected.inspection.connections)
        if crossings is not None:
            path = place_to_write / crossing_table.NAME
            with _TableFile(path, crossing_table.HEADINGS) as file:
                for table in crossings:
                    file.write(table)


def _of_connections(
    inspected: Inspected, _read: Read, file: int, first: int
) -> Iterator[tuple[str, Table]]:
    numbers: dict[str, int] = {"file": file, "first_connection": first}
    for batch in inspected.inspection.connections.batches():
        yield "connections", connection_table.connection_table(batch, **numbers)
        yield "subflows", connection_table.subflow_table(batch, **numbers)


def _of_packets(
    inspected: Inspected, read: Read, file: int, first: int
) -> Iterator[tuple[str, Table]]:
    numbers: dict[str, int] = {"file": file, "first_connection": first}
    mappings = Mappings()
    places = inspected.inspection.connections.places
    for placed in place(read, inspected.given.size_bytes, places):
        yield "packets", packet_table.packet_table(placed, **numbers)
        for rows in mappings.take(placed):
            yield "mappings", mapping_table.mapping_table(rows, **numbers)
    for rows in mappings.rest():
        yield "mappings", mapping_table.mapping_table(rows, **numbers)


class _TableFile:
    """A table that is written piece by piece, to two files."""

    def __init__(self, path: Path, headings: Sequence[Heading]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - see the module
        from pyarrow import csv, parquet  # noqa: PLC0415 - see the module

        # Arrow's own pool keeps what it ever had; the system's gives it back.
        pa.set_memory_pool(pa.system_memory_pool())
        pa.system_memory_pool().release_unused()
        self._arrow = pa
        self._headings = headings
        self._schema = pa.schema([(h.name, _arrow_type(pa, h.kind)) for h in headings])
        self._parquet = parquet.ParquetWriter(
            path.with_suffix(".parquet"),
            self._schema,
            compression="zstd",
            use_dictionary=[h.name for h in headings if h.kind == "text"],
        )
        try:
            self._csv = csv.CSVWriter(path.with_suffix(".csv"), self._schema)
        except OSError:
            self._leave_parquet()
            raise
        self._group_rows = min(GROUP_ROWS, GROUP_CELLS // len(headings))
        self._waiting: list[Any] = []
        self._waiting_rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        failed = suppress(OSError) if kind else nullcontext()  # the first error is the one to tell
        try:
            with failed:
                if kind is None:
                    self._write_group()
                self._parquet.close()
            with failed:
                self._csv.close()
        finally:
            self._leave_parquet()

    def _leave_parquet(self) -> None:
        """Keep the writer from closing once more when it goes, and from printing a traceback."""
        self._parquet.is_open = False

    def write(self, table: Table) -> None:
        """Append rows."""
        numbers = {
            h.name: self._numbers(table[h.name], h)
            for h in self._headings
            if table[h.name].words is None
        }
        self._csv.write_table(self._rows(table, numbers, safe=True))
        rows = self._rows(table, numbers, safe=False)
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows >= self._group_rows:
            self._write_group()

    def _write_group(self) -> None:
        """Write what waits for its row group."""
        if self._waiting_rows:
            self._parquet.write_table(self._arrow.concat_tables(self._waiting))
        self._waiting.clear()
        self._waiting_rows = 0
        # Many small pieces were given back, and the system's pool does not pass these on by itself.
        self._arrow.default_memory_pool().release_unused()

    def _rows(self, table: Table, numbers: Mapping[str, Any], *, safe: bool) -> Any:  # noqa: ANN401 - pyarrow
        arrays = [
            numbers[h.name] if h.name in numbers else self._texts(table[h.name], safe=safe)
            for h in self._headings
        ]
        return self._arrow.Table.from_arrays(arrays, schema=self._schema)

    def _numbers(self, cells: Cells, heading: Heading) -> Any:  # noqa: ANN401 - pyarrow
        pa = self._arrow
        return pa.array(cells.values, mask=cells.missing).cast(_arrow_type(pa, heading.kind))

    def _texts(self, cells: Cells, *, safe: bool) -> Any:  # noqa: ANN401 - pyarrow
        pa = self._arrow
        words = [harmless(str(word)) if safe else str(word) for word in cells.words or ()]
        indexes = pa.array(cells.values, mask=cells.missing)
        return pa.DictionaryArray.from_arrays(indexes, pa.array(words, pa.string())).cast(
            pa.string()
        )


def harmless(text: str) -> str:
    """Return a cell of text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(ACTIVE) else text


def _arrow_type(pa: Any, kind: str) -> Any:  # noqa: ANN401 - pyarrow
    return {"text": pa.string(), "bool": pa.bool_()}.get(kind) or pa.type_for_alias(kind)
