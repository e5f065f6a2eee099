"""MPTCP options other than DSS to columns, compiled: one function per layout of RFC 8684."""

from typing import Any

from mptcp_check.analysis.capture.kernels import (
    be16,
    be32,
    be64,
    byte,
    kernel,
)
from mptcp_check.analysis.capture.option_tables import (
    ADD_ADDR,
    ADDRESS,
    ADDRESS_ID,
    CHECKSUM,
    CUT,
    DATA_LENGTH,
    DSN,
    FINE,
    HMAC,
    HMAC_160,
    KEY,
    LENGTH,
    MP_CAPABLE,
    MP_EXPERIMENTAL,
    MP_FAIL,
    MP_FASTCLOSE,
    MP_JOIN,
    MP_PRIO,
    MP_TCPRST,
    NO_SUBTYPE,
    NONCE,
    PEER_KEY,
    PORT,
    REASON,
    REMOVE_ADDR,
    SUBTYPE,
    TOKEN,
    V4_MAPPED,
    VERSION,
)


@kernel
def decode_signal(  # noqa: C901, PLR0912, PLR0915, PLR0917 - one branch per subtype
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    end: int,
    length: int,
    problem: int,
    cells: Any,  # noqa: ANN401 - a record of the table
) -> int:
    """Decode one kind-30 option of any subtype but DSS into a record; return its problem."""
    cells.offset = at
    cells.length = length
    cells.hmac_offset = -1
    cells.subtype = NO_SUBTYPE
    if end < at + 3:
        if problem == FINE:
            problem = CUT if length >= 3 else LENGTH  # noqa: PLR2004 - up to the subtype
        cells.problem = problem
        return problem
    subtype = byte(buffer, at + 2) >> 4
    low = byte(buffer, at + 2) & 0x0F
    cells.subtype = subtype
    if problem == FINE and end < at + length:
        problem = CUT
    found = FINE
    if subtype == MP_CAPABLE:
        found = decode_mp_capable(buffer, at, end, length, low, cells)
    elif subtype == MP_JOIN:
        found = decode_mp_join(buffer, at, end, length, low, cells)
    elif subtype == ADD_ADDR:
        found = decode_add_addr(buffer, at, end, length, low, cells)
    elif subtype == REMOVE_ADDR:
        # RFC 8684, section 3.4.2, figure 13: one id or more.
        if length < 4:  # noqa: PLR2004 - up to the first id
            found = LENGTH
        elif end >= at + 4:
            cells.address_id = byte(buffer, at + 3)
            cells.present = ADDRESS_ID
    elif subtype == MP_PRIO:
        # RFC 8684, section 3.3.8, figure 11: 3 bytes; RFC 6824 has the same with an id, 4 bytes.
        cells.flags = low
        if length not in (3, 4):
            found = LENGTH
        elif length == 4 and end >= at + 4:  # noqa: PLR2004 - with the id
            cells.address_id = byte(buffer, at + 3)
            cells.present = ADDRESS_ID
    elif subtype == MP_FAIL:
        # RFC 8684, section 3.7, figure 16 (RFC 6824, section 3.6, figure 15).
        if length != 12:  # noqa: PLR2004 - as drawn
            found = LENGTH
        elif end >= at + 12:
            cells.dsn = be64(buffer, at + 4)
            cells.present = DSN
    elif subtype == MP_FASTCLOSE:
        # RFC 8684, section 3.5, figure 14 (RFC 6824: the same).
        if length != 12:  # noqa: PLR2004 - as drawn
            found = LENGTH
        elif end >= at + 12:
            cells.key = be64(buffer, at + 4)
            cells.present = KEY
    elif subtype == MP_TCPRST:
        # RFC 8684, section 3.6, figure 15.
        cells.flags = low
        if length != 4:  # noqa: PLR2004 - as drawn
            found = LENGTH
        elif end >= at + 4:
            cells.reason = byte(buffer, at + 3)
            cells.present = REASON
    elif subtype != MP_EXPERIMENTAL:
        found = SUBTYPE
    if problem in (FINE, CUT) and found != FINE:
        problem = found
    cells.problem = problem
    return problem


@kernel
def decode_mp_capable(  # noqa: PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    end: int,
    length: int,
    low: int,
    cells: Any,  # noqa: ANN401 - a record of the table
) -> int:
    """Decode MP_CAPABLE: RFC 8684, section 3.1, figure 4; RFC 6824, section 3.1, figure 4.

    Lengths: version 0: 12 (SYN, SYN/ACK), 20 (ACK).  Version 1: 4 (SYN), 12 (SYN/ACK), 20 (ACK),
    22 (with data), 24 (with data and checksum).
    """
    cells.version = low
    if end >= at + 4:
        cells.flags = byte(buffer, at + 3)
    if low > 1:
        return VERSION
    if low == 0 and length not in (12, 20):
        return LENGTH
    if low == 1 and length not in (4, 12, 20, 22, 24):
        return LENGTH
    present = 0
    if length >= 12 and end >= at + 12:  # noqa: PLR2004 - as drawn
        cells.key = be64(buffer, at + 4)
        present |= KEY
    if length >= 20 and end >= at + 20:  # noqa: PLR2004 - as drawn
        cells.peer_key = be64(buffer, at + 12)
        present |= PEER_KEY
    if length >= 22 and end >= at + 22:  # noqa: PLR2004 - as drawn
        cells.data_length = be16(buffer, at + 20)
        present |= DATA_LENGTH
    if length == 24 and end >= at + 24:  # noqa: PLR2004 - as drawn
        cells.checksum = be16(buffer, at + 22)
        present |= CHECKSUM
    cells.present = present
    return FINE


@kernel
def decode_mp_join(  # noqa: PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    end: int,
    length: int,
    low: int,
    cells: Any,  # noqa: ANN401 - a record of the table
) -> int:
    """Decode MP_JOIN: RFC 8684 (and 6824), section 3.2, figures 5, 6 and 7: SYN, SYN/ACK, ACK.

    Each form has its own length: 12, 16 and 24 bytes.
    """
    if length not in (12, 16, 24):
        return LENGTH
    present = 0
    if length == 24:  # noqa: PLR2004 - figure 7
        if end >= at + 24:
            cells.hmac = be64(buffer, at + 4)
            cells.hmac_offset = at + 4
            present = HMAC | HMAC_160
        cells.present = present
        return FINE
    cells.flags = low
    if end >= at + 4:
        cells.address_id = byte(buffer, at + 3)
        present |= ADDRESS_ID
    if length == 12:  # noqa: PLR2004 - figure 5
        if end >= at + 8:
            cells.token = be32(buffer, at + 4)
            present |= TOKEN
        if end >= at + 12:
            cells.nonce = be32(buffer, at + 8)
            present |= NONCE
    else:
        if end >= at + 12:
            cells.hmac = be64(buffer, at + 4)
            cells.hmac_offset = at + 4
            present |= HMAC
        if end >= at + 16:
            cells.nonce = be32(buffer, at + 12)
            present |= NONCE
    cells.present = present
    return FINE


@kernel
def decode_add_addr(  # noqa: C901, PLR0912, PLR0917 - a kernel's state is its arguments
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    at: int,
    end: int,
    length: int,
    low: int,
    cells: Any,  # noqa: ANN401 - a record of the table
) -> int:
    """Decode ADD_ADDR: RFC 8684, section 3.4.1, figure 12; RFC 6824, section 3.4.1, figure 12.

    Version 0 has IPVer (4 or 6) where version 1 has three reserved bits and E, the echo flag.  In
    version 1 an HMAC follows unless it is an echo.  Between the two RFCs, the drafts of 6824bis
    had IPVer and the HMAC together, and Linux 3.x and 4.x of multipath-tcp.org send that.
    """
    if end >= at + 4:
        cells.address_id = byte(buffer, at + 3)
        cells.present = ADDRESS_ID
    if length in (8, 10, 16, 18):
        family, width = 4, 4
    elif length in (20, 22, 28, 30):
        family, width = 6, 16
    else:
        return LENGTH
    with_port = length in (10, 18, 22, 30)
    with_hmac = length in (16, 18, 28, 30)
    found = FINE
    if low in (4, 6):
        cells.version = 1 if with_hmac else 0
        if low != family:
            found = LENGTH
    else:
        cells.version = 1
        cells.flags = low
        if (low & 1 == 1) == with_hmac:
            found = LENGTH
    present = cells.present
    place = at + 4
    if end >= place + width:
        cells.address_family = family
        if width == 4:  # noqa: PLR2004 - IPv4
            cells.address_low = V4_MAPPED + be32(buffer, place)
        else:
            cells.address_high = be64(buffer, place)
            cells.address_low = be64(buffer, place + 8)
        present |= ADDRESS
    place += width
    if with_port:
        if end >= place + 2:
            cells.port = be16(buffer, place)
            present |= PORT
        place += 2
    if with_hmac and end >= place + 8:
        cells.hmac = be64(buffer, place)
        cells.hmac_offset = place
        present |= HMAC
    cells.present = present
    return found
