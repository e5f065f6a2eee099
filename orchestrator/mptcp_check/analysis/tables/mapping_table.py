"""One row per distinct mapping of data to a subflow: RFC 8684, section 3.3.1.

Linux repeats a mapping on each segment of a burst: rows with the same numbers on the same subflow
are one mapping.  Mappings come in batches; those last seen long ago are given away when there are
too many to remember, and would be a new row if they ever came again.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.packets import CHECKSUM_READ, DssFlag, Packets, Present, Subtype
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.tables.packet_table import DIRECTIONS
from mptcp_check.analysis.tables.placing import Placed
from mptcp_check.analysis.tables.table import Heading, Table, constant, numbers, one_of

HEADINGS: Final = (
    Heading("file", "int64"),
    Heading("connection", "int64"),
    Heading("subflow", "int64"),
    Heading("direction", "text"),
    Heading("source", "text"),
    Heading("dsn", "uint64"),
    Heading("dsn_bits", "uint8"),
    Heading("ssn", "uint32"),
    Heading("data_length", "uint16"),
    Heading("data_fin", "bool"),
    Heading("checksum", "uint16"),
    Heading("first_frame", "int64"),
    Heading("last_frame", "int64"),
    Heading("first_time_ns", "int64"),
    Heading("segments", "int64"),
)

SOURCES: Final = ("DSS", "MP_CAPABLE")
MOST_REMEMBERED: Final = 1 << 16
ROWS_AT_ONCE: Final = 1 << 13

ROW: Final = np.dtype(
    [
        ("connection", "int64"),
        ("subflow", "int64"),
        ("by_server", "uint8"),
        ("source", "uint8"),
        ("dsn", "uint64"),
        ("dsn_bits", "uint8"),
        ("ssn", "uint32"),
        ("data_length", "uint16"),
        ("data_fin", "bool"),
        ("checksum", "int32"),  # -1 without one
        ("first_frame", "int64"),
        ("last_frame", "int64"),
        ("first_time_ns", "int64"),
        ("segments", "int64"),
    ]
)
SAME: Final = tuple(ROW.names or ())[:10]
"""What makes two rows one mapping."""

Rows = npt.NDArray[np.void]


class Mappings:
    """Collects the mappings of one capture."""

    def __init__(self) -> None:
        self._rows: Rows = np.empty(0, ROW)

    def take(self, placed: Placed) -> Iterator[Rows]:
        """Take a batch of segments; yield the mappings that are forgotten for it."""
        self._rows = _merged(np.concatenate([self._rows, _of_dss(placed), _of_capable(placed)]))
        if len(self._rows) > MOST_REMEMBERED:
            by_age = np.argsort(self._rows["last_frame"], kind="stable")
            given, kept = np.split(by_age, [len(by_age) - MOST_REMEMBERED // 2])
            rows, self._rows = self._rows[given], self._rows[np.sort(kept)]
            yield from _parts(rows)

    def rest(self) -> Iterator[Rows]:
        """Yield the mappings that were not given away yet."""
        yield from _parts(self._rows)


def mapping_table(rows: Rows, *, file: int, first_connection: int) -> Table:
    """Return mappings as a table."""
    table: Table = {name: numbers(rows[name].copy()) for name in SAME if name != "checksum"}
    table |= {
        "file": constant(file, len(rows)),
        "connection": numbers(rows["connection"] + first_connection),
        "direction": one_of(table.pop("by_server").values, DIRECTIONS),
        "source": one_of(rows["source"], SOURCES),
        "checksum": numbers(np.maximum(rows["checksum"], 0), rows["checksum"] >= 0),
    }
    seen = ("first_frame", "last_frame", "first_time_ns", "segments")
    return table | {name: numbers(rows[name].copy()) for name in seen}


def _parts(rows: Rows) -> Iterator[Rows]:
    """Yield mappings in the order in which they were first seen, not too many at a time."""
    order = np.argsort(rows["first_frame"], kind="stable")
    for start in range(0, len(order), ROWS_AT_ONCE):
        yield rows[order[start : start + ROWS_AT_ONCE]]


def _of_dss(placed: Placed) -> Rows:
    dss = placed.packets.dss
    carried = np.flatnonzero(dss.parts & DssFlag.MAPPING != 0)
    rows = _seen(placed, dss.packet[carried])
    rows["dsn"], rows["ssn"] = dss.dsn[carried], dss.ssn[carried]
    rows["dsn_bits"] = np.where(dss.flags[carried] & DssFlag.DSN_64 != 0, 64, 32)
    rows["data_length"] = dss.data_length[carried]
    rows["data_fin"] = dss.flags[carried] & DssFlag.DATA_FIN != 0
    with_checksum = dss.parts[carried] & CHECKSUM_READ != 0
    rows["checksum"] = np.where(with_checksum, dss.checksum[carried], -1)
    return rows


def _of_capable(placed: Placed) -> Rows:
    """Return what MP_CAPABLE maps: its data starts at IDSN + 1 (RFC 8684, section 3.1)."""
    table = placed.packets.signals
    wanted = Present.KEY | Present.DATA_LENGTH
    carried = np.flatnonzero(
        (table.subtype == Subtype.MP_CAPABLE) & (table.present & wanted == wanted)
    )
    rows = _seen(placed, table.packet[carried])
    idsn = [crypto.initial_data_sequence_number(key, 1) for key in table.key[carried].tolist()]
    rows["dsn"] = np.array(idsn, dtype=np.uint64) + np.uint64(1)
    rows["source"], rows["dsn_bits"], rows["ssn"] = SOURCES.index("MP_CAPABLE"), 64, 1
    rows["data_length"] = table.data_length[carried]
    with_checksum = table.present[carried] & Present.CHECKSUM != 0
    rows["checksum"] = np.where(with_checksum, table.checksum[carried], -1)
    return rows


def _seen(placed: Placed, carriers: npt.NDArray[np.int64]) -> Rows:
    """Return one row per option, with what its segment says."""
    packets: Packets = placed.packets
    rows = np.zeros(len(carriers), ROW)
    rows["connection"], rows["subflow"] = placed.connection[carriers], placed.subflow[carriers]
    rows["by_server"] = placed.by_server[carriers]
    rows["first_frame"] = rows["last_frame"] = packets.frame[carriers]
    rows["first_time_ns"] = packets.time_ns[carriers]
    rows["segments"] = 1
    return rows


def _merged(rows: Rows) -> Rows:
    """Return distinct mappings, with the segments of equal ones counted together."""
    if not len(rows):
        return rows
    # Columns are sorted, and not rows: these would be in memory twice.
    order = np.lexsort([rows[name] for name in ("first_frame", *SAME)])
    new = np.zeros(len(rows), dtype=np.bool_)
    new[0] = True
    for name in SAME:
        key = rows[name][order]
        new[1:] |= key[1:] != key[:-1]
    first = np.flatnonzero(new)
    distinct: Rows = rows[order[first]]
    distinct["segments"] = np.add.reduceat(rows["segments"][order], first)
    distinct["last_frame"] = np.maximum.reduceat(rows["last_frame"][order], first)
    return distinct
