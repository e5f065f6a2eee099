"""Ask a captured segment for its TCP options: which are there, and what stands in their place."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Note, Subtype
from mptcp_check.analysis.pairing.halves import Half, HalfTable

_TCP_HEADER_BYTES: Final = 20
_END_OF_LIST: Final = 0
_SUBTYPES: Final = 16
"""A subtype has four bits on the wire; `Subtype.NONE` has more, and is not on it."""
_NO_OPERATION: Final = 1
_CUT: Final = int(Note.HEADER_CUT | Note.HEADER_LENGTH)


def subtypes(table: HalfTable) -> Column:
    """Return the MPTCP options of every segment of a capture, for `HalfTable.once`.

    Returns:
        uint16, one per row of ``capture.packets``: bit s is set if it has an option of subtype s.
    """
    packets = table.capture.packets
    bits = np.zeros(len(packets), np.uint16)
    bits[packets.dss.packet] = 1 << int(Subtype.DSS)
    signals = packets.signals
    known = signals.subtype < _SUBTYPES
    shifts = signals.subtype[known].astype(np.uint16)
    np.bitwise_or.at(bits, signals.packet[known], np.uint16(1) << shifts)
    return bits


def bits_of(*wanted: Subtype) -> int:
    """Return the bits in `subtypes` of some options."""
    return sum(1 << subtype for subtype in wanted)


def find(half: Half, row: int, subtype: Subtype) -> int | None:
    """Return the index in ``packets.signals`` of a segment's first option of a subtype.

    Of any but DSS, which has a table of its own.
    """
    if not int(half.table.once(subtypes)[row]) >> subtype & 1:
        return None
    signals = half.capture.packets.signals
    # of the column's own type, or the whole column is converted at each look-up
    index = int(signals.packet.searchsorted(signals.packet.dtype.type(row)))
    while signals.subtype[index] != int(subtype):
        index += 1
    return index


def carries(half: Half, row: int, subtype: Subtype) -> bool | None:
    """Say whether a segment carries an option of a subtype; none if its options were cut off."""
    if int(half.table.once(subtypes)[row]) >> subtype & 1:
        return True
    cut = int(half.capture.packets.notes[row]) & _CUT
    return None if cut else False


def carriers(half: Half, rows: Column, *wanted: Subtype) -> Column:
    """Return those of the rows that carry an option of one of the subtypes, in their order."""
    return np.asarray(rows[(half.table.once(subtypes)[rows] & bits_of(*wanted)) != 0])


def options_of(owners: Column, rows: Column) -> Column:
    """Return the rows of an option table that belong to some segments.

    Args:
        owners: The table's column ``packet``, which never decreases: so a look-up costs the
            logarithm of the table, not the table.
        rows: Rows of segments, each at most once.
    """
    wanted = rows.astype(owners.dtype)  # or all of the table is converted at each look-up
    low = np.searchsorted(owners, wanted)
    counts = np.searchsorted(owners, wanted, side="right") - low
    before = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(low - before, counts))


def option_bytes(capture: Capture, row: int) -> bytes:
    """Return a segment's TCP options as captured."""
    start = int(capture.packets.tcp_offset[row]) + _TCP_HEADER_BYTES
    end = start + int(capture.packets.options_bytes[row])
    return bytes(capture.buffer[start:end])


def padding_bytes(options: bytes) -> tuple[int, int]:
    """Count what fills the option list: (NOP bytes, bytes from the end-of-list mark on).

    netfilter overwrites an option that it removes with NOPs; a count that grew by the option's
    length shows it.  Others delete the option, or end the list where it was.
    """
    nops = place = 0
    while place < len(options):
        kind = options[place]
        if kind == _END_OF_LIST:
            return nops, len(options) - place
        if kind == _NO_OPERATION:
            nops += 1
            place += 1
            continue
        length = options[place + 1] if place + 1 < len(options) else 0
        if length < 2:  # noqa: PLR2004 - kind and length themselves (RFC 9293, section 3.1)
            break
        place += length
    return nops, 0
