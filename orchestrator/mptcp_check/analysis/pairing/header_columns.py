"""Header fields of every segment of a capture's halves as columns, TCP options among them."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import TCP_HEADER_BYTES, Note
from mptcp_check.analysis.capture.tcp_checksum import checksum_states
from mptcp_check.analysis.pairing.halves import HalfTable

ABSENT: Final = -1
"""Of an option that a segment does not have."""
END_OF_LIST, NO_OPERATION, MSS, WINDOW_SCALE, SACK_PERMITTED = range(5)
"""Kinds of TCP options: RFC 9293, section 3.1; RFC 7323, section 2.2; RFC 2018, section 2."""
_MOST_OPTION_BYTES: Final = 40
_OPTIONS_CUT: Final = int(Note.HEADER_CUT | Note.HEADER_LENGTH)
_HIGH_KIND_BIT: Final = 31
"""In ``Packets.option_kinds``: any kind above 30."""
_MSS_BYTES: Final = 4
_SCALE_BYTES: Final = 3


class OptionPlaces(NamedTuple):
    """Where the first option of one kind is, of each position of a `HalfTable`."""

    offset: Column
    """int64: where its kind byte is in the buffer; `ABSENT` without one."""
    length: Column
    """int64: its length in bytes, kind and length included; `ABSENT` without one."""


def header_column(table: HalfTable, name: str, rows: Column) -> Column:
    """Return a header field of some segments.

    Args:
        table: Where the segments are.
        name: A column of `Packets`, or one of `DERIVED`.
        rows: Rows of ``table.capture.packets`` that are in the table.

    Raises:
        KeyError: There is no such field.
    """
    derived = DERIVED.get(name)
    if derived is not None:
        return derived(table, rows)
    column = getattr(table.capture.packets, name, None)
    if not isinstance(column, np.ndarray):
        raise KeyError(name)
    return np.asarray(column[rows])


def option_places(table: HalfTable, kind: int) -> OptionPlaces:
    """Return where the first option of a kind is, of every segment of a table.

    Args:
        table: The segments.
        kind: A kind other than end of list and NOP; cut or malformed options are left out.
    """
    return table.once(_finder(kind))


def options_whole(table: HalfTable) -> npt.NDArray[np.bool_]:
    """Say of each position whether its options were captured whole, for `HalfTable.once`."""
    return np.asarray((table.capture.packets.notes[table.rows] & _OPTIONS_CUT) == 0)


@cache
def _finder(kind: int) -> Callable[[HalfTable], OptionPlaces]:
    def find(table: HalfTable) -> OptionPlaces:
        return _walk(table, kind)

    return find


def _walk(table: HalfTable, kind: int) -> OptionPlaces:
    """Step through all option lists at once that may have the kind; 40 steps at most."""
    packets = table.capture.packets
    offset = np.full(len(table.rows), ABSENT, np.int64)
    length = np.full(len(table.rows), ABSENT, np.int64)
    bit = min(kind, _HIGH_KIND_BIT)
    left = np.flatnonzero((packets.option_kinds[table.rows] >> bit & 1) != 0)
    place = packets.tcp_offset[table.rows[left]] + TCP_HEADER_BYTES
    end = place + packets.options_bytes[table.rows[left]]
    for _ in range(_MOST_OPTION_BYTES):
        if not len(left):
            break
        here = packets.buffer[place].astype(np.int64)
        inside = place + 1 < end
        stated = np.where(inside, packets.buffer[np.where(inside, place + 1, place)], 0)
        step = np.where(here == NO_OPERATION, 1, stated.astype(np.int64))
        whole = (here != NO_OPERATION) & (step > 1) & (place + step <= end)
        found = (here == kind) & whole
        offset[left[found]], length[left[found]] = place[found], step[found]
        goes_on = ~found & (here != END_OF_LIST) & ((here == NO_OPERATION) | whole)
        goes_on &= place + step < end
        left, place, end = left[goes_on], (place + step)[goes_on], end[goes_on]
    return OptionPlaces(offset, length)


def _option_number(kind: int, length: int) -> Callable[[HalfTable, Column], Column]:
    """Return what reads an option's number: 1 or 2 bytes behind kind and length."""

    def read(table: HalfTable, rows: Column) -> Column:
        places = option_places(table, kind)
        positions = table.position_of[rows]
        offset = np.where(places.length[positions] == length, places.offset[positions], ABSENT)
        known = offset != ABSENT
        octets = table.capture.buffer
        number = np.full(len(rows), ABSENT, np.int64)
        number[known] = 0
        for step in range(2, length):
            number[known] = number[known] * 256 + octets[offset[known] + step]
        return number

    return read


def _checksum_state(table: HalfTable, rows: Column) -> Column:
    return np.asarray(table.once(_checksum_states)[table.position_of[rows]])


def _checksum_states(table: HalfTable) -> Column:
    return checksum_states(table.capture, table.rows)


def _bits(name: str, shift: int, mask: int) -> Callable[[HalfTable, Column], Column]:
    def read(table: HalfTable, rows: Column) -> Column:
        column: npt.NDArray[np.int64] = getattr(table.capture.packets, name)[rows].astype(np.int64)
        return column >> shift & mask

    return read


def _sack_permitted(table: HalfTable, rows: Column) -> Column:
    return np.asarray(table.capture.packets.option_kinds[rows] >> SACK_PERMITTED & 1)


DERIVED: Final[Mapping[str, Callable[[HalfTable, Column], Column]]] = {
    "dscp": _bits("tos", 2, 0x3F),
    "ecn": _bits("tos", 0, 0x03),
    "reserved": _bits("flags", 9, 0x07),
    "mss": _option_number(MSS, _MSS_BYTES),
    "window_scale": _option_number(WINDOW_SCALE, _SCALE_BYTES),
    "sack_permitted": _sack_permitted,
    "checksum_state": _checksum_state,
}
"""Fields that are no column of `Packets` by themselves."""
