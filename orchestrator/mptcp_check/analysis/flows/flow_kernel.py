"""Segments to TCP connections, compiled: by addresses and ports, and by initial sequence number.

A hash table leads from addresses and ports to the youngest connection between them.  A SYN whose
sequence number is not that connection's begins a new one: ports are used again.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import int64, kernel

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10

CONTROL: Final = FIN | SYN | RST | ACK

UNKNOWN: Final = -1
NOBODY: Final = -1

LARGEST_SYN_DATA: Final = 0xFFFF
"""A SYN/ACK may acknowledge data in the SYN too (RFC 7413), at most one segment of it."""

LOW_31_BITS: Final = 0x7FFF_FFFF


class FlowTable(NamedTuple):
    """One row per TCP connection; its two ends are 0, the sender of its first segment, and 1."""

    src_high: Column
    """int64: the bits of end 0's address, as in `packets.Packets`; the other five likewise."""
    src_low: Column
    dst_high: Column
    dst_low: Column
    src_port: Column
    dst_port: Column
    first_row: Column
    """int64: row of its first segment in the batch it came with; that has end 0 as the source."""
    opener: Column
    """int64: the end that sent the SYN, or `NOBODY` if none was captured."""
    isn: Column
    """int64, shape (rows, 2): initial sequence number of each end, or `UNKNOWN`."""
    flags: Column
    """int64, shape (rows, 2): TCP flags of all segments of each end, or-ed."""
    segments: Column
    """int64, shape (rows, 2): count of segments of each end."""

    @staticmethod
    def allocate(rows: int) -> "FlowTable":
        """Return uninitialised columns."""
        return FlowTable(
            *(np.empty(rows, np.int64) for _ in range(8)),
            *(np.empty((rows, 2), np.int64) for _ in range(3)),
        )

    def resized(self, rows: int) -> "FlowTable":
        """Return a table with room for more connections, these first."""
        larger = FlowTable.allocate(rows)
        for new, old in zip(larger, self, strict=True):
            new[: len(old)] = old
        return larger


class Headers(NamedTuple):
    """The columns of `packets.Packets` that tell connections apart; addresses as signed bits."""

    src_high: Column
    src_low: Column
    dst_high: Column
    dst_low: Column
    src_port: Column
    dst_port: Column
    seq: Column
    ack: Column
    flags: Column


Slots = npt.NDArray[np.int64]

FLOWS, TAKEN = range(2)
"""Places in the counters that `assign` keeps: rows of the table, and slots, that are in use."""


@kernel
def assign(  # noqa: C901, PLR0912, PLR0915, PLR0917 - a kernel
    headers: Headers,
    order: Any,  # noqa: ANN401 - a kernel
    place: int,
    flows: FlowTable,
    slots: Slots,
    counters: npt.NDArray[np.int64],
    flow_of: Any,  # noqa: ANN401 - as above
    end_of: Any,  # noqa: ANN401 - as above
) -> int:
    """Say for each segment to which TCP connection it belongs and which end sent it.

    The columns are looked up here and not in functions of their own: a tuple of columns that is
    handed over for each segment has its references counted, which takes longer than the rest.

    Args:
        headers: The segments.
        order: int64: their rows in the order of time.
        place: The place in `order` to start at.
        flows: Connections so far; rows are added.
        slots: Hash table, a power of two long: rows of `flows`, or `NOBODY`.
        counters: How much of both is in use; updated.
        flow_of: int64, filled: row in `flows` for each row of `headers`.
        end_of: uint8, filled: the sending end, 0 or 1.

    Returns:
        The place it stopped at: all of them, or an earlier one when either table needs room.
    """
    src_high, src_low, src_port = headers.src_high, headers.src_low, headers.src_port
    dst_high, dst_low, dst_port = headers.dst_high, headers.dst_low, headers.dst_port
    taken, count = counters[TAKEN], counters[FLOWS]
    room = len(flows.opener)
    while place < len(order) and count < room and 2 * taken < len(slots):
        row = order[place]
        slot = mixed(
            scrambled(src_high[row], src_low[row], int64(src_port[row])),
            scrambled(dst_high[row], dst_low[row], int64(dst_port[row])),
        )
        slot &= len(slots) - 1
        end = 0
        flow = slots[slot]
        while flow != NOBODY:
            if (
                flows.src_low[flow] == src_low[row]
                and flows.dst_low[flow] == dst_low[row]
                and flows.src_port[flow] == src_port[row]
                and flows.dst_port[flow] == dst_port[row]
                and flows.src_high[flow] == src_high[row]
                and flows.dst_high[flow] == dst_high[row]
            ):
                break
            if (
                flows.src_low[flow] == dst_low[row]
                and flows.dst_low[flow] == src_low[row]
                and flows.src_port[flow] == dst_port[row]
                and flows.dst_port[flow] == src_port[row]
                and flows.src_high[flow] == dst_high[row]
                and flows.dst_high[flow] == src_high[row]
            ):
                end = 1
                break
            slot = (slot + 1) & (len(slots) - 1)
            flow = slots[slot]
        flags = int64(headers.flags[row])
        seq, ack = int64(headers.seq[row]), int64(headers.ack[row])
        fresh = flow == NOBODY
        if fresh:
            taken += 1
        elif flags & SYN:
            only_syns = (flows.flags[flow, 0] | flows.flags[flow, 1]) & CONTROL == SYN
            known = flows.isn[flow, end], flows.isn[flow, 1 - end]
            fresh = not belongs(flags, seq, ack, known, only_syns)
        if fresh:
            flow = count
            end = 0
            count += 1
            slots[slot] = flow
            flows.src_high[flow] = src_high[row]
            flows.src_low[flow] = src_low[row]
            flows.dst_high[flow] = dst_high[row]
            flows.dst_low[flow] = dst_low[row]
            flows.src_port[flow] = src_port[row]
            flows.dst_port[flow] = dst_port[row]
            flows.first_row[flow] = row
            flows.opener[flow] = NOBODY
            for either in range(2):
                flows.isn[flow, either] = UNKNOWN
                flows.flags[flow, either] = 0
                flows.segments[flow, either] = 0
        if flags & SYN:
            # What a SYN or SYN/ACK says of its connection; the first one of each end counts.
            if flows.isn[flow, end] == UNKNOWN:
                flows.isn[flow, end] = seq
            if flows.opener[flow] == NOBODY:
                if flags & ACK:
                    flows.opener[flow] = 1 - end
                    flows.isn[flow, 1 - end] = (ack + 0xFFFF_FFFF) & 0xFFFF_FFFF
                else:
                    flows.opener[flow] = end
        flows.flags[flow, end] |= flags
        flows.segments[flow, end] += 1
        flow_of[row] = flow
        end_of[row] = end
        place += 1
    counters[TAKEN], counters[FLOWS] = taken, count
    return place


@kernel
def belongs(flags: int, seq: int, ack: int, known: tuple[int, int], only_syns: bool) -> bool:  # noqa: FBT001 - kernels take positions
    """Say whether a SYN or SYN/ACK belongs to the youngest connection of its addresses and ports.

    It does if it is sent again; if it is the other SYN of a simultaneous open (RFC 9293,
    section 3.5, figure 7); or if it is a SYN/ACK that acknowledges the SYN.

    Args:
        flags: The segment's.
        seq: Its sequence number.
        ack: Its acknowledgement number.
        known: The connection's initial sequence numbers: of the sending end, of the other.
        only_syns: Neither end has sent anything but SYNs yet.
    """
    own, other = known
    if own == seq:
        return True
    if not flags & ACK:
        return own == UNKNOWN and only_syns
    acknowledged = (ack + 0x1_0000_0000 - other - 1) & 0xFFFF_FFFF
    return other != UNKNOWN and acknowledged <= LARGEST_SYN_DATA


@kernel
def mixed(one: int, two: int) -> int:
    """Return one hash of two ends' hashes, the same whichever comes first."""
    mix = (one ^ two) + (one & two)
    return ((mix ^ (mix >> 17)) & LOW_31_BITS) * 0x2C1B_3C6D >> 15


@kernel
def scrambled(high: int, low: int, port: int) -> int:
    """Return a hash of an address and a port, at most 46 bits.

    Each factor stays below 31 bits and each product below 62: interpreted, nothing overflows.
    """
    fold = (low & LOW_31_BITS) ^ ((low >> 31) & LOW_31_BITS)
    fold ^= (high & LOW_31_BITS) ^ ((high >> 29) & LOW_31_BITS)
    fold = (fold ^ (port * 0x9E37)) & LOW_31_BITS
    fold = (fold * 0x45D9_F3B7) >> 16
    return ((fold & LOW_31_BITS) ^ (fold >> 31)) * 0x3C6E_F372 >> 16


@kernel
def move(slots: Slots, larger: Slots, flows: FlowTable) -> None:
    """Enter the connections of one hash table into a larger one, which is empty."""
    mask = len(larger) - 1
    for flow in slots:
        if flow == NOBODY:
            continue
        slot = mixed(
            scrambled(flows.src_high[flow], flows.src_low[flow], flows.src_port[flow]),
            scrambled(flows.dst_high[flow], flows.dst_low[flow], flows.dst_port[flow]),
        )
        slot &= mask
        while larger[slot] != NOBODY:
            slot = (slot + 1) & mask
        larger[slot] = flow


@kernel
def sort_rows(order: Any, flow_of: Any, end_of: Any, places: Any, rows: Any) -> None:  # noqa: ANN401 - a kernel
    """Sort the rows by connection, then by sending end, then by time.

    Args:
        order: The rows in the order of time.
        flow_of: The connection of each row.
        end_of: The end that sent it.
        places: Where each end of each connection starts in `rows`; left at where it stops.
        rows: Filled.
    """
    for row in order:
        group = 2 * flow_of[row] + end_of[row]
        rows[places[group]] = row
        places[group] += 1
