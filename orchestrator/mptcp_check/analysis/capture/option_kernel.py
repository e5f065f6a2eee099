"""TCP options to columns, compiled: the same grammar as `options`, which people read.

Nothing is read at or beyond `available`, the end of what was captured of the TCP header.  Every
loop advances by at least one byte.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.kernels import be16, be32, be64, byte, kernel
from mptcp_check.analysis.capture.option_tables import (
    CUT,
    DSS,
    DSS_ACK,
    DSS_ACK_64,
    DSS_CHECKSUM_READ,
    DSS_DSN_64,
    DSS_MAPPING,
    FINE,
    LENGTH,
    NOTE_HEADER_CUT,
    NOTE_MALFORMED,
    OVERRUN,
    DssTable,
    OptionLists,
)
from mptcp_check.analysis.capture.packets import TCP_HEADER_BYTES
from mptcp_check.analysis.capture.signal_kernel import decode_signal

MOST_PER_SEGMENT: Final = 20
"""Kind-30 options that fit 40 bytes when each has the least length, 2."""

END_OF_LIST: Final = 0
NO_OPERATION: Final = 1
TIMESTAMPS: Final = 8
MPTCP: Final = 30
OTHER_KINDS: Final = 31
"""Bit of ``option_kinds`` for every kind above 30."""


DSS_ROWS, SIGNAL_ROWS = range(2)
"""Places in the counters that `decode_options` keeps."""


@kernel
def decode_options(  # noqa: C901, PLR0915, PLR0917 - a loop that branches by case; a kernel takes positions
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    lists: OptionLists,
    first: int,
    dss: DssTable,
    signals: Any,  # noqa: ANN401 - see `kernels.records`
    counters: npt.NDArray[np.int64],
) -> int:
    """Walk the option lists of the segments from row `first` on (RFC 9293, section 3.1).

    Tuples of columns are not handed to what is called for every option: Numba would count the
    references to each column each time, which takes ten times as long as all the rest.

    Args:
        buffer: The capture.
        lists: Where the lists are; their kinds, notes and timestamps are filled in.
        first: The row to start at.
        dss: Table of any size.
        signals: Records of `option_tables.SIGNAL_RECORD`, any number.
        counters: How many rows of `dss` and of `signals` are filled; updated.

    Returns:
        The row it stopped at: the count of rows, or an earlier one when `dss` or `signals` has no
        room for the options of another segment.
    """
    dss_count, signal_count = counters[DSS_ROWS], counters[SIGNAL_ROWS]
    dss_room = len(dss.packet) - MOST_PER_SEGMENT
    signal_room = len(signals) - MOST_PER_SEGMENT
    total = len(lists.tcp_offset)
    row = first
    while row < total and dss_count <= dss_room and signal_count <= signal_room:
        at = lists.tcp_offset[row] + TCP_HEADER_BYTES
        available = at + lists.options_bytes[row]
        stop = lists.payload_offset[row]
        kinds, notes, ts_value, ts_echo = 0, 0, 0, 0
        while at < available:
            kind, length, end, problem = next_option(buffer, at, stop, available)
            if kind == TIMESTAMPS:
                # RFC 7323, section 3.2: 10 bytes; cut or of another length it tells nothing.
                if length == 10 and end == at + 10:  # noqa: PLR2004 - as said
                    if not kinds & (1 << TIMESTAMPS):
                        ts_value, ts_echo = be32(buffer, at + 2), be32(buffer, at + 6)
                    kinds |= 1 << TIMESTAMPS
            else:
                kinds |= 1 << min(kind, OTHER_KINDS)
            if kind == MPTCP:
                if end >= at + 3 and byte(buffer, at + 2) >> 4 == DSS:
                    found, flags, parts, data_ack, dsn, ssn, data_length, checksum = read_dss(
                        buffer, at, end, length, problem
                    )
                    dss.packet[dss_count] = row
                    dss.offset[dss_count] = at
                    dss.length[dss_count] = length
                    dss.flags[dss_count] = flags
                    dss.problem[dss_count] = found
                    dss.parts[dss_count] = parts
                    dss.data_ack[dss_count] = data_ack
                    dss.dsn[dss_count] = dsn
                    dss.ssn[dss_count] = ssn
                    dss.data_length[dss_count] = data_length
                    dss.checksum[dss_count] = checksum
                    dss_count += 1
                else:
                    cells = signals[signal_count]
                    cells.packet = row
                    found = decode_signal(buffer, at, end, length, problem, cells)
                    signal_count += 1
                if found not in (FINE, CUT):
                    notes |= NOTE_MALFORMED
            if problem != FINE:
                notes |= NOTE_HEADER_CUT if problem == CUT else NOTE_MALFORMED
            if problem != FINE or kind == END_OF_LIST:
                break
            at += length
        lists.option_kinds[row] = kinds
        lists.notes[row] |= notes
        lists.ts_value[row] = ts_value
        lists.ts_echo[row] = ts_echo
        row += 1
    counters[DSS_ROWS], counters[SIGNAL_ROWS] = dss_count, signal_count
    return row


@kernel
def next_option(buffer: Any, at: int, stop: int, available: int) -> tuple[int, int, int, int]:  # noqa: ANN401 - a kernel
    """Return the option at an offset.

    Args:
        buffer: The capture.
        at: Offset of the option's kind.
        stop: Offset after the TCP header, as its length says.
        available: Offset after the last captured byte of it; at most `stop`.

    Returns:
        Its kind; its length, 1 where it has no length byte, 0 where that is missing; the offset
        after what is there of it; and a problem: `LENGTH`, `OVERRUN` or `CUT` end the list.
    """
    kind = byte(buffer, at)
    if kind in (END_OF_LIST, NO_OPERATION):
        return kind, 1, at + 1, FINE
    if at + 1 >= stop:
        return kind, 0, available, LENGTH
    if at + 1 >= available:
        return kind, 0, available, CUT
    length = byte(buffer, at + 1)
    if length < 2:  # noqa: PLR2004 - kind and length themselves
        return kind, length, available, LENGTH
    if at + length > stop:
        return kind, length, available, OVERRUN
    return kind, length, min(at + length, available), FINE


@kernel
def read_dss(  # noqa: C901 - a loop that branches by case
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    end: int,
    length: int,
    problem: int,
) -> tuple[int, int, int, int, int, int, int, int]:
    """Read one DSS option: RFC 8684, section 3.3, figure 9.

    The flags say which parts there are, hence the length, but for the checksum, whose presence
    was agreed in the handshake: it is there when the length has room for it.

    Args:
        buffer: The capture.
        at: Offset of the option's kind.
        end: Offset after what was captured of it.
        length: Its length as written.
        problem: What `next_option` found.

    Returns:
        The problem, and the columns flags, parts, data_ack, dsn, ssn, data_length, checksum.
    """
    if end < at + 4:
        if problem == FINE:
            problem = CUT if length >= 4 else LENGTH  # noqa: PLR2004 - up to the flags
        return problem, 0, 0, 0, 0, 0, 0, 0
    flags = byte(buffer, at + 3)
    parts, data_ack, dsn, ssn, data_length, checksum = 0, 0, 0, 0, 0, 0
    place = at + 4
    if flags & DSS_ACK:
        width = 8 if flags & DSS_ACK_64 else 4
        if place + width <= end:
            data_ack = be64(buffer, place) if width == 8 else be32(buffer, place)  # noqa: PLR2004 - bytes
            parts |= DSS_ACK
        place += width
    if flags & DSS_MAPPING:
        width = 8 if flags & DSS_DSN_64 else 4
        if place + width + 6 <= end:
            dsn = be64(buffer, place) if width == 8 else be32(buffer, place)  # noqa: PLR2004 - bytes
            ssn = be32(buffer, place + width)
            data_length = be16(buffer, place + width + 4)
            parts |= DSS_MAPPING
        place += width + 6
        if at + length == place + 2:
            if place + 2 <= end:
                checksum = be16(buffer, place)
                parts |= DSS_CHECKSUM_READ
            place += 2
    if problem == FINE:
        if at + length != place:
            problem = LENGTH
        elif end < at + length:
            problem = CUT
    return problem, flags, parts, data_ack, dsn, ssn, data_length, checksum
