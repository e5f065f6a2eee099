"""One row per segment that was sent: when it left one end, when it came to the other, its fate."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from mptcp_check.analysis.one_way.values import FATE_WORDS, Fate, TwoEnds
from mptcp_check.analysis.tables.table import Heading, Table, numbers, one_of
from mptcp_check.model import Side

NAME: Final = "crossings"
HEADINGS: Final = (
    Heading("connection", "int64"),
    Heading("subflow", "int64"),
    Heading("direction", "text"),
    Heading("client_frame", "int64"),
    Heading("server_frame", "int64"),
    Heading("sent_ns", "int64"),
    Heading("received_ns", "int64"),
    Heading("delay_ns", "int64"),
    Heading("payload_bytes", "int64"),
    Heading("copy", "int64"),
    Heading("fate", "text"),
)
BATCH_ROWS: Final = 1 << 19


def crossing_tables(ends: TwoEnds) -> Iterator[Table]:
    """Yield the rows in the order of subflow, direction and time of sending.

    Connections and subflows have the numbers of the client's capture.
    """
    known = [subflow.numbers[Side.CLIENT] for subflow in ends.subflows]
    numbering = np.array(known, np.int64).reshape(-1, 2)
    found = ends.crossings
    for start in range(0, len(found), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        subflow, received = numbering[found.subflow[rows]], found.received_frame[rows] > 0
        from_server = found.sent_at_server[rows]
        frames = found.sent_frame[rows], found.received_frame[rows]
        yield {
            "connection": numbers(subflow[:, 0]),
            "subflow": numbers(subflow[:, 1]),
            "direction": one_of(found.by_server[rows].astype(np.int64), ["c2s", "s2c"]),
            "client_frame": numbers(np.where(from_server, *frames[::-1]), ~from_server | received),
            "server_frame": numbers(np.where(from_server, *frames), from_server | received),
            "sent_ns": numbers(found.sent_ns[rows]),
            "received_ns": numbers(found.received_ns[rows], received),
            "delay_ns": numbers(found.delay_ns[rows], found.has_delay[rows]),
            "payload_bytes": numbers(found.payload_bytes[rows]),
            "copy": numbers(found.copy[rows]),
            "fate": one_of(found.fate[rows], [FATE_WORDS[fate] for fate in Fate]),
        }
