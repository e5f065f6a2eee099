"""From subflow sequence numbers to data sequence numbers: RFC 8684, section 3.3.1.

Linux repeats one mapping on every segment of a burst; distinct ones count here, each byte of a
subflow has one.  MP_CAPABLE with data maps the first bytes (section 3.1), a mapping of length 0
all that follows (section 3.7).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Packets, Present, Subtype
from mptcp_check.analysis.pairing.mptcp_options import options_of
from mptcp_check.analysis.series.lanes import Lane
from mptcp_check.analysis.series.numbering import LARGEST, follow, nearest, relative

INFINITE_BYTES: Final = 1 << 48
"""Longer than any connection: what an infinite mapping covers unless another one follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Numbers on the data level, as options carry them."""

    time_ns: Column
    row: Column
    """int64: row in `Packets` of the segment."""
    raw: Column
    """uint64: 64 bits, or the low 32 of them."""
    wide: Column
    """bool: all 64 bits were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mappings:
    """The mappings of one lane, by subflow sequence number; they do not overlap."""

    ssn: Column
    """int64: place in the subflow of the first byte."""
    dsn: Column
    """int64: relative data sequence number of it."""
    end: Column
    """int64: place in the subflow after the last byte."""


def mapping_numbers(packets: Packets, lane: Lane) -> tuple[Numbers, Column]:
    """Return the data sequence numbers that a lane's DSS options map, and their rows' positions.

    Returns:
        The numbers, and for each the position in ``lane.dss``.
    """
    dss = packets.dss
    chosen = np.flatnonzero((dss.parts[lane.dss] & DssFlag.MAPPING) != 0)
    own = lane.dss[chosen]
    numbers = Numbers(
        time_ns=lane.time_ns[lane.dss_carrier[chosen]],
        row=dss.packet[own],
        raw=dss.dsn[own],
        wide=(dss.flags[own] & DssFlag.DSN_64) != 0,
    )
    return numbers, chosen


def follow_all(
    parts: Sequence[Numbers], origin: int, reference: int
) -> tuple[list[Column], list[Column]]:
    """Make the numbers of several lanes relative, followed in the order of time over all lanes.

    Returns:
        For each lane the int64 numbers, and whether each one is believed.
    """
    time_ns = np.concatenate([part.time_ns for part in parts])
    wide = np.concatenate([part.wide for part in parts])
    values = relative(np.concatenate([part.raw for part in parts]), origin, wide)
    order = np.lexsort((np.concatenate([part.row for part in parts]), time_ns))
    numbers, believed = np.empty(len(order), np.int64), np.empty(len(order), np.bool_)
    numbers[order], believed[order] = follow(values[order], wide[order], reference)
    places = np.cumsum([len(part.time_ns) for part in parts])[:-1]
    return np.split(numbers, places), np.split(believed, places)


def mappings_of(
    packets: Packets,
    lane: Lane,
    chosen: Column,
    dsn: Column,
    believed: Column,
    *,
    origin_known: bool,
) -> Mappings:
    """Return a lane's distinct mappings.

    Args:
        packets: The capture.
        lane: Whose.
        chosen: Positions in ``lane.dss`` of the options that map.
        dsn: Relative data sequence numbers of them.
        believed: Which of them count.
        origin_known: Whether 0 is the IDSN, so that MP_CAPABLE's data can be placed.
    """
    dss = packets.dss
    own = lane.dss[chosen]
    flags, written = dss.flags[own], dss.data_length[own].astype(np.int64)
    length = written - ((flags & DssFlag.DATA_FIN) != 0)
    length[written == 0] = INFINITE_BYTES
    ssn = nearest(dss.ssn[own], lane.start[lane.dss_carrier[chosen]])
    kept = believed & (length > 0)
    columns = [ssn[kept], dsn[kept], length[kept]]
    if origin_known:
        first = _first_data(packets, lane)
        columns = [
            np.concatenate([column, np.asarray(more, np.int64)])
            for column, more in zip(columns, (first * 0 + 1, first * 0 + 1, first), strict=True)
        ]
    ssn, dsn, length = columns
    # Of one place and number the longest counts: the kernel extends a mapping that still waits.
    order = np.lexsort((-length, dsn, ssn))
    ssn, dsn, length = ssn[order], dsn[order], length[order]
    distinct = np.ones(len(ssn), np.bool_)
    distinct[1:] = (ssn[1:] != ssn[:-1]) | (dsn[1:] != dsn[:-1])
    ssn, dsn, length = ssn[distinct], dsn[distinct], length[distinct]
    end = np.minimum(ssn + length, np.append(ssn[1:], LARGEST))
    used = end > ssn
    return Mappings(ssn=ssn[used], dsn=dsn[used], end=end[used])


def _first_data(packets: Packets, lane: Lane) -> Column:
    """Return the lengths of MP_CAPABLE options with data."""
    signals = packets.signals
    own = options_of(signals.packet, lane.rows)
    carrying = (signals.subtype[own] == Subtype.MP_CAPABLE) & (
        (signals.present[own] & Present.DATA_LENGTH) != 0
    )
    return np.asarray(signals.data_length[own[carrying]].astype(np.int64))
