"""One row per TCP segment, with the first DSS option of each."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import (
    CHECKSUM_READ,
    DssFlag,
    Flag,
    Packets,
    Subtype,
)
from mptcp_check.analysis.flows.endpoints import address_text
from mptcp_check.analysis.tables.placing import Placed
from mptcp_check.analysis.tables.table import Cells, Heading, Table, constant, numbers, one_of

DIRECTIONS: Final = ("c2s", "s2c")
TIMESTAMPS: Final = 1 << 8
"""Bit of ``Packets.option_kinds``."""

HEADINGS: Final = (
    Heading("file", "int64"),
    Heading("frame", "int64"),
    Heading("time_ns", "int64"),
    Heading("connection", "int64"),
    Heading("subflow", "int64"),
    Heading("direction", "text"),
    Heading("src", "text"),
    Heading("src_port", "uint16"),
    Heading("dst", "text"),
    Heading("dst_port", "uint16"),
    Heading("ttl", "uint8"),
    Heading("tos", "uint8"),
    Heading("ip_id", "uint16"),
    Heading("seq", "uint32"),
    Heading("ack", "uint32"),
    Heading("flags", "text"),
    Heading("window", "uint16"),
    Heading("payload_bytes", "uint32"),
    Heading("captured_bytes", "uint32"),
    Heading("ts_value", "uint32"),
    Heading("ts_echo", "uint32"),
    Heading("mptcp", "text"),
    Heading("data_ack", "uint64"),
    Heading("dsn", "uint64"),
    Heading("ssn", "uint32"),
    Heading("data_length", "uint16"),
    Heading("dss_checksum", "uint16"),
)

AS_THEY_ARE: Final = (
    "time_ns",
    "src_port",
    "dst_port",
    "ttl",
    "tos",
    "ip_id",
    "seq",
    "ack",
    "window",
    "payload_bytes",
    "captured_bytes",
)


def packet_table(placed: Placed, *, file: int, first_connection: int) -> Table:
    """Return the rows of some segments.

    Args:
        placed: The segments.
        file: Number of their capture.
        first_connection: What to add to its connections' numbers.
    """
    packets = placed.packets
    stamped = packets.option_kinds & TIMESTAMPS != 0
    table: Table = {
        "file": constant(file, len(packets)),
        "frame": numbers(packets.frame.astype(np.int64)),
        "connection": numbers(placed.connection + first_connection),
        "subflow": numbers(placed.subflow),
        "direction": one_of(placed.by_server, DIRECTIONS),
        "src": addresses(packets.family, packets.src_high, packets.src_low),
        "dst": addresses(packets.family, packets.dst_high, packets.dst_low),
        "flags": _named(packets.flags, flag_names),
        "ts_value": numbers(packets.ts_value.copy(), stamped),
        "ts_echo": numbers(packets.ts_echo.copy(), stamped),
        "mptcp": _named(_subtypes(packets), subtype_names),
    }
    # Copies, as the next segments are decoded into the same columns.
    table |= {name: numbers(getattr(packets, name).copy()) for name in AS_THEY_ARE}
    return table | _first_dss(packets)


def addresses(family: Column, high: Column, low: Column) -> Cells:
    """Return a column of addresses in their usual text form."""
    if not len(family):
        return one_of(np.zeros(0), ())
    order = np.lexsort((low, high, family))
    keys = [column[order] for column in (family, high, low)]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    index = np.empty(len(order), dtype=np.int32)
    index[order] = np.cumsum(new) - 1
    distinct = zip(*(key[new].tolist() for key in keys), strict=True)
    return one_of(index, [address_text(*key) for key in distinct])


def flag_names(flags: int) -> str:
    """Return TCP flags by name: ``SYN|ACK``; reserved bits are left out."""
    return "|".join(flag.name or "" for flag in Flag if flags & flag)


def subtype_names(bits: int) -> str:
    """Return the names of MPTCP options, given as bits of their subtypes: ``MP_JOIN|DSS``."""
    known = (s for s in Subtype if s is not Subtype.NONE)
    return "|".join(s.name for s in known if bits & 1 << s)


def _named(codes: npt.NDArray[np.integer], name: Callable[[int], str]) -> Cells:
    distinct, index = np.unique(codes, return_inverse=True)
    return one_of(index, [name(code) for code in distinct.tolist()])


def _subtypes(packets: Packets) -> npt.NDArray[np.int64]:
    """Return for each segment the subtypes of its MPTCP options as bits."""
    bits = np.zeros(len(packets), dtype=np.int64)
    bits[packets.dss.packet] = 1 << Subtype.DSS
    whole = packets.signals.subtype != Subtype.NONE
    subtypes = packets.signals.subtype[whole].astype(np.int64)
    np.bitwise_or.at(bits, packets.signals.packet[whole], np.left_shift(1, subtypes))
    return bits


def _first_dss(packets: Packets) -> Table:
    dss = packets.dss
    carriers, first = np.unique(dss.packet, return_index=True)
    columns = {
        "data_ack": (dss.data_ack, DssFlag.DATA_ACK),
        "dsn": (dss.dsn, DssFlag.MAPPING),
        "ssn": (dss.ssn, DssFlag.MAPPING),
        "data_length": (dss.data_length, DssFlag.MAPPING),
        "dss_checksum": (dss.checksum, CHECKSUM_READ),
    }
    table: Table = {}
    for name, (column, part) in columns.items():
        values = np.zeros(len(packets), dtype=column.dtype)
        values[carriers] = column[first]
        present = np.zeros(len(packets), dtype=np.bool_)
        present[carriers] = dss.parts[first] & int(part) != 0
        table[name] = numbers(values, present)
    return table
