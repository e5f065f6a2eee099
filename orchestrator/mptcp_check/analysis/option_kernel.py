"""TCP options to columns, compiled: the same grammar as `options`, which people read.

Nothing is read at or beyond `available`, the end of what was captured of the TCP header.  Every
loop advances by at least one byte.
"""

from typing import Any, Final

from mptcp_check.analysis.kernels import (
    be16,
    be32,
    be64,
    byte,
    kernel,
)
from mptcp_check.analysis.option_tables import (
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
    SignalTable,
)
from mptcp_check.analysis.signal_kernel import (
    decode_signal,
)

MOST_PER_SEGMENT: Final = 20
"""Kind-30 options that fit 40 bytes when each has the least length, 2."""

END_OF_LIST: Final = 0
NO_OPERATION: Final = 1
TIMESTAMPS: Final = 8
MPTCP: Final = 30
OTHER_KINDS: Final = 31
"""Bit of ``option_kinds`` for every kind above 30."""


@kernel
def decode_options(  # noqa: C901, PLR0912, PLR0913, PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    stop: int,
    available: int,
    packet: int,
    dss: DssTable,
    dss_count: int,
    signals: SignalTable,
    signal_count: int,
) -> tuple[int, int, int, int, int, int]:
    """Walk the option list of one segment (RFC 9293, section 3.1).

    Args:
        buffer: The capture.
        at: Offset of the first option.
        stop: Offset after the TCP header, as its length says.
        available: Offset after the last captured byte of it; at most `stop`.
        packet: The segment's row.
        dss: Table to add to; it has room for `MOST_PER_SEGMENT` more rows.
        dss_count: Rows filled.
        signals: As `dss`.
        signal_count: Rows filled.

    Returns:
        Rows filled of either table, bits for ``option_kinds`` and for ``notes``, TSval, TSecr.
    """
    kinds, notes, ts_value, ts_echo = 0, 0, 0, 0
    while at < available:
        kind = byte(buffer, at)
        if kind == END_OF_LIST:
            kinds |= 1
            break
        if kind == NO_OPERATION:
            kinds |= 2
            at += 1
            continue
        length = 0
        problem = FINE
        if at + 1 >= stop:
            problem = LENGTH
        elif at + 1 >= available:
            problem = CUT
        else:
            length = byte(buffer, at + 1)
            if length < 2:  # noqa: PLR2004 - kind and length themselves
                problem = LENGTH
            elif at + length > stop:
                problem = OVERRUN
        end = available if problem != FINE else min(at + length, available)
        if kind == TIMESTAMPS and problem == FINE and length == 10 and end == at + 10:  # noqa: PLR2004 - RFC 7323, section 3.2
            if not kinds & (1 << TIMESTAMPS):
                ts_value, ts_echo = be32(buffer, at + 2), be32(buffer, at + 6)
            kinds |= 1 << TIMESTAMPS
        elif kind != TIMESTAMPS:
            kinds |= 1 << min(kind, OTHER_KINDS)
        if kind == MPTCP:
            if end >= at + 3 and byte(buffer, at + 2) >> 4 == DSS:
                found = decode_dss(buffer, at, end, length, problem, dss, dss_count)
                dss.packet[dss_count] = packet
                dss_count += 1
            else:
                found = decode_signal(buffer, at, end, length, problem, signals, signal_count)
                signals.packet[signal_count] = packet
                signal_count += 1
            if found not in (FINE, CUT):
                notes |= NOTE_MALFORMED
        if problem != FINE:
            notes |= NOTE_HEADER_CUT if problem == CUT else NOTE_MALFORMED
            break
        at += length
    return dss_count, signal_count, kinds, notes, ts_value, ts_echo


@kernel
def decode_dss(  # noqa: C901, PLR0917 - a loop that branches by case
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    end: int,
    length: int,
    problem: int,
    dss: DssTable,
    row: int,
) -> int:
    """Decode one DSS option (RFC 8684, section 3.3, figure 9) into a row; return its problem.

    The flags say which parts there are, hence the length, but for the checksum, whose presence
    was agreed in the handshake: it is there when the length has room for it.
    """
    dss.offset[row] = at
    dss.length[row] = length
    dss.data_ack[row] = 0
    dss.dsn[row] = 0
    dss.ssn[row] = 0
    dss.data_length[row] = 0
    dss.checksum[row] = 0
    dss.flags[row] = 0
    dss.parts[row] = 0
    if end < at + 4:
        if problem == FINE:
            problem = CUT if length >= 4 else LENGTH  # noqa: PLR2004 - up to the flags
        dss.problem[row] = problem
        return problem
    flags = byte(buffer, at + 3)
    dss.flags[row] = flags
    parts = 0
    place = at + 4
    if flags & DSS_ACK:
        width = 8 if flags & DSS_ACK_64 else 4
        if place + width <= end:
            dss.data_ack[row] = be64(buffer, place) if width == 8 else be32(buffer, place)  # noqa: PLR2004 - bytes
            parts |= DSS_ACK
        place += width
    checksum_bytes = 0
    if flags & DSS_MAPPING:
        width = 8 if flags & DSS_DSN_64 else 4
        if place + width + 6 <= end:
            dss.dsn[row] = be64(buffer, place) if width == 8 else be32(buffer, place)  # noqa: PLR2004 - bytes
            dss.ssn[row] = be32(buffer, place + width)
            dss.data_length[row] = be16(buffer, place + width + 4)
            parts |= DSS_MAPPING
        place += width + 6
        if at + length == place + 2:
            checksum_bytes = 2
            if place + 2 <= end:
                dss.checksum[row] = be16(buffer, place)
                parts |= DSS_CHECKSUM_READ
    if problem == FINE:
        if at + length != place + checksum_bytes:
            problem = LENGTH
        elif end < at + length:
            problem = CUT
    dss.parts[row] = parts
    dss.problem[row] = problem
    return problem
