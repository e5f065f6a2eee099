"""The option tables as kernels take them, and the enumerations of `packets` as plain numbers."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import DSS_TYPES, SIGNAL_TYPES, Column, columns
from mptcp_check.analysis.capture.packets import (
    CHECKSUM_READ,
    DssFlag,
    Note,
    OptionProblem,
    Present,
    Subtype,
)

# Kernels know plain numbers only; these are the values of the enumerations in `packets`.
MP_CAPABLE: Final = int(Subtype.MP_CAPABLE)
MP_JOIN: Final = int(Subtype.MP_JOIN)
DSS: Final = int(Subtype.DSS)
ADD_ADDR: Final = int(Subtype.ADD_ADDR)
REMOVE_ADDR: Final = int(Subtype.REMOVE_ADDR)
MP_PRIO: Final = int(Subtype.MP_PRIO)
MP_FAIL: Final = int(Subtype.MP_FAIL)
MP_FASTCLOSE: Final = int(Subtype.MP_FASTCLOSE)
MP_TCPRST: Final = int(Subtype.MP_TCPRST)
MP_EXPERIMENTAL: Final = int(Subtype.MP_EXPERIMENTAL)
NO_SUBTYPE: Final = int(Subtype.NONE)

FINE: Final = int(OptionProblem.NONE)
CUT: Final = int(OptionProblem.CUT)
LENGTH: Final = int(OptionProblem.LENGTH)
OVERRUN: Final = int(OptionProblem.OVERRUN)
SUBTYPE: Final = int(OptionProblem.SUBTYPE)
VERSION: Final = int(OptionProblem.VERSION)

KEY: Final = int(Present.KEY)
PEER_KEY: Final = int(Present.PEER_KEY)
TOKEN: Final = int(Present.TOKEN)
NONCE: Final = int(Present.NONCE)
HMAC: Final = int(Present.HMAC)
HMAC_160: Final = int(Present.HMAC_160)
DATA_LENGTH: Final = int(Present.DATA_LENGTH)
CHECKSUM: Final = int(Present.CHECKSUM)
ADDRESS_ID: Final = int(Present.ADDRESS_ID)
ADDRESS: Final = int(Present.ADDRESS)
PORT: Final = int(Present.PORT)
DSN: Final = int(Present.DSN)
REASON: Final = int(Present.REASON)

DSS_ACK: Final = int(DssFlag.DATA_ACK)
DSS_ACK_64: Final = int(DssFlag.DATA_ACK_64)
DSS_MAPPING: Final = int(DssFlag.MAPPING)
DSS_DSN_64: Final = int(DssFlag.DSN_64)
DSS_CHECKSUM_READ: Final = CHECKSUM_READ

NOTE_HEADER_CUT: Final = int(Note.HEADER_CUT)
NOTE_MALFORMED: Final = int(Note.OPTIONS_MALFORMED)

V4_MAPPED: Final = 0xFFFF_0000_0000
"""Lower half of ::ffff:0:0/96 (RFC 4291, section 2.5.5.2)."""


class DssTable(NamedTuple):
    """The columns of `packets.DssOptions`, as kernels take them."""

    packet: Column
    offset: Column
    length: Column
    flags: Column
    problem: Column
    parts: Column
    data_ack: Column
    dsn: Column
    ssn: Column
    data_length: Column
    checksum: Column

    @staticmethod
    def allocate(rows: int) -> "DssTable":
        """Return uninitialised columns."""
        return DssTable(**columns(DSS_TYPES, rows))


SIGNAL_RECORD: Final = np.dtype(list(SIGNAL_TYPES.items()))
"""One row of `packets.SignalOptions`.

Rows of this table are handed to functions, a record at a time: a record costs nothing to hand
over, where a tuple of columns has the references to each of them counted.
"""


def signal_table(rows: int) -> npt.NDArray[np.void]:
    """Return a table of records, all zero, as most cells of it stay empty."""
    return np.zeros(rows, dtype=SIGNAL_RECORD)


class OptionLists(NamedTuple):
    """Where the option lists of segments are, and what is found in them: columns of `Packets`."""

    tcp_offset: Column
    options_bytes: Column
    payload_offset: Column
    notes: Column
    option_kinds: Column
    ts_value: Column
    ts_echo: Column
