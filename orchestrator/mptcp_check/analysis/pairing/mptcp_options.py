"""Ask a captured segment for its TCP options: which are there, and what stands in their place."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Note, Subtype

_TCP_HEADER_BYTES: Final = 20
_END_OF_LIST: Final = 0
_FEW_ROWS: Final = 64
_SUBTYPES: Final = 256
"""A subtype column has any value of a byte: `Subtype.NONE` is not on the wire."""
_NO_OPERATION: Final = 1


def find(capture: Capture, row: int, subtype: Subtype) -> int | None:
    """Return the index in ``packets.signals`` of a segment's first option of a subtype."""
    signals = capture.packets.signals
    # one look-up at a time: a search for both ends of the run takes three times as long
    index, end = int(signals.packet.searchsorted(row)), len(signals.packet)
    wanted = int(subtype)
    while index < end and signals.packet[index] == row:
        if signals.subtype[index] == wanted:
            return index
        index += 1
    return None


def carries(capture: Capture, row: int, subtype: Subtype) -> bool | None:
    """Say whether a segment carries an option of a subtype; none if its options were cut off."""
    if find(capture, row, subtype) is not None:
        return True
    cut = int(capture.packets.notes[row]) & (Note.HEADER_CUT | Note.HEADER_LENGTH)
    return None if cut else False


def carriers(capture: Capture, rows: Column, *subtypes: Subtype) -> Column:
    """Return those of the rows that carry an option of one of the subtypes, in their order."""
    signals = capture.packets.signals
    own = options_of(signals.packet, rows)
    chosen = np.zeros(_SUBTYPES, np.bool_)
    chosen[list(subtypes)] = True
    carrying = signals.packet[own[chosen[signals.subtype[own]]]]
    if len(rows) > _FEW_ROWS:
        return np.asarray(rows[np.isin(rows, carrying)])
    found = set(carrying.tolist())  # ten times as fast, for the handful that a handshake has
    return np.asarray([row for row in rows.tolist() if row in found], dtype=np.int64)


def options_of(owners: Column, rows: Column) -> Column:
    """Return the rows of an option table that belong to some segments.

    Args:
        owners: The table's column ``packet``, which never decreases: so a look-up costs the
            logarithm of the table, not the table.
        rows: Rows of segments, each at most once.
    """
    low = np.searchsorted(owners, rows)
    counts = np.searchsorted(owners, rows, side="right") - low
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
