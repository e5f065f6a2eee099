"""The segments of some connections of a capture, with all that is known of each, in memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import (
    DSS_TYPES,
    PACKET_TYPES,
    SIGNAL_TYPES,
    Column,
)
from mptcp_check.analysis.capture.packets import (
    TCP_HEADER_BYTES,
    DssOptions,
    Flag,
    Packets,
    SignalOptions,
    empty,
)
from mptcp_check.analysis.tables.placing import Placed


class Selection(NamedTuple):
    """Segments, and whose they are."""

    packets: Packets
    """Its buffer holds no payload, and options only of SYNs and of segments with signals."""
    connection: Column
    """int64: ``ConnectionMetrics.id`` of each."""


def selected(capture: Iterable[Placed], wanted: Column) -> Selection:
    """Return the segments of some connections.

    Args:
        capture: The whole capture.
        wanted: bool, one per connection.
    """
    parts = [part for placed in capture if len((part := _of(placed, wanted)).connection)]
    if not parts:
        return Selection(empty(), np.empty(0, np.int64))
    rows = np.cumsum([0, *(len(part.connection) for part in parts)])[:-1].tolist()
    octets = np.cumsum([0, *(len(part.packets.buffer) for part in parts)])[:-1].tolist()
    for part, row, at in zip(parts, rows, octets, strict=True):
        packets = part.packets
        for column in (packets.dss.packet, packets.signals.packet):
            column[:] += row
        for column in (packets.tcp_offset, packets.signals.hmac_offset):
            column[column >= 0] += at
    found = [part.packets for part in parts]
    whole = _packets(
        _together(found, PACKET_TYPES),
        DssOptions(**_together([one.dss for one in found], DSS_TYPES)),
        SignalOptions(**_together([one.signals for one in found], SIGNAL_TYPES)),
        np.concatenate([one.buffer for one in found]),
    )
    return Selection(whole, np.concatenate([part.connection for part in parts]))


def _of(placed: Placed, wanted: Column) -> Selection:
    """Return the wanted segments of a batch, as copies."""
    packets = placed.packets
    keep = wanted[placed.connection]
    rows = np.flatnonzero(keep)
    new_row = np.cumsum(keep) - 1
    dss = np.flatnonzero(keep[packets.dss.packet])
    signals = np.flatnonzero(keep[packets.signals.packet])
    columns = {name: getattr(packets, name)[rows] for name in PACKET_TYPES}
    dss_columns = {name: getattr(packets.dss, name)[dss] for name in DSS_TYPES}
    signal_columns = {name: getattr(packets.signals, name)[signals] for name in SIGNAL_TYPES}
    dss_columns["packet"] = new_row[dss_columns["packet"]]
    carriers = signal_columns["packet"] = new_row[signal_columns["packet"]]
    headed = columns["flags"] & np.uint16(Flag.SYN) != 0
    headed[carriers] = True
    buffer, moved = _headers(packets.buffer, columns, np.flatnonzero(headed))
    columns["tcp_offset"] += moved
    at = signal_columns["hmac_offset"]
    at[at >= 0] += moved[carriers[at >= 0]]
    found = _packets(columns, DssOptions(**dss_columns), SignalOptions(**signal_columns), buffer)
    return Selection(found, placed.connection[rows])


def _headers(
    octets: npt.NDArray[np.uint8], columns: dict[str, Column], rows: Column
) -> tuple[npt.NDArray[np.uint8], Column]:
    """Return the TCP headers of some segments, and how far each segment's was moved for that.

    Those of the others point nowhere: before the buffer.
    """
    start = columns["tcp_offset"][rows]
    sizes = TCP_HEADER_BYTES + columns["options_bytes"][rows].astype(np.int64)
    headers = [
        octets[at : at + size] for at, size in zip(start.tolist(), sizes.tolist(), strict=True)
    ]
    moved = -1 - columns["tcp_offset"]
    moved[rows] = np.cumsum(sizes) - sizes - start
    return np.concatenate(headers) if headers else np.empty(0, np.uint8), moved


def _together(tables: Sequence[object], types: Mapping[str, str]) -> dict[str, Column]:
    """Return the columns of tables, one after the other."""
    return {name: np.concatenate([getattr(one, name) for one in tables]) for name in types}


def _packets(
    columns: dict[str, Column],
    dss: DssOptions,
    signals: SignalOptions,
    buffer: npt.NDArray[np.uint8],
) -> Packets:
    return Packets(
        **columns,
        dss=dss,
        signals=signals,
        buffer=buffer,
        frame_count=len(columns["frame"]),
        fragment_count=0,
        cut_count=0,
    )
