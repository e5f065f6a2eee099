"""TCP connections of a capture: which segments belong together, who opened, who sent what."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.flows.flow_kernel import (
    FLOWS,
    NOBODY,
    TAKEN,
    FlowTable,
    Headers,
    assign,
    move,
    sort_rows,
)

FIRST_SLOTS: Final = 1024
"""Connections and slots to start with; both tables grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The TCP connections of a capture, as columns."""

    flow_of: Column
    """int64, one per segment: the connection it belongs to."""
    end_of: Column
    """uint8, one per segment: the end that sent it; 0 sent the connection's first segment."""
    opener: Column
    """int64, one per connection: the end that sent the SYN; guessed where `midstream`."""
    midstream: Column
    """bool, one per connection: neither SYN nor SYN/ACK was captured."""
    isn: Column
    """int64, shape (connections, 2): initial sequence number of each end, -1 if unknown."""
    flags: Column
    """int64, shape (connections, 2): the flags that each end ever set."""
    first_row: Column
    """int64, one per connection: row of its first segment."""
    sorted_rows: Column
    """int64, one per segment: rows sorted by connection, end and time."""
    starts: Column
    """int64, two per connection and one: where in `sorted_rows` each end of each one starts."""

    def __len__(self) -> int:
        """Return the count of connections."""
        return len(self.first_row)

    def rows(self, flow: int, end: int) -> Column:
        """Return the rows that one end of a connection sent, in the order of time."""
        place = 2 * flow + end
        return self.sorted_rows[self.starts[place] : self.starts[place + 1]]


def group(packets: Packets) -> Flows:
    """Group the segments of a capture into TCP connections.

    A connection is two addresses and ports from a SYN to the next SYN with another sequence
    number.  Where neither SYN nor SYN/ACK was captured the opener is guessed: the end with the
    higher port, and with equal ports the sender of the first segment.

    Args:
        packets: A capture's segments, in any order of time.
    """
    order = time_order(packets.time_ns)
    headers = headers_of(packets)
    found = FlowFinder()
    flow_of, end_of = found.take(headers, order)
    count = found.count
    flows = FlowTable(*(column[:count].copy() for column in found.table))
    starts = np.concatenate(([0], np.cumsum(flows.segments.reshape(-1)))).astype(np.int64)
    sorted_rows = np.empty(len(order), np.int64)
    sort_rows(order, flow_of, end_of, starts.copy(), sorted_rows)
    midstream = flows.opener == NOBODY
    guess = flows.src_port < flows.dst_port
    return Flows(
        flow_of=flow_of,
        end_of=end_of,
        opener=np.where(midstream, guess.astype(np.int64), flows.opener),
        midstream=midstream,
        isn=flows.isn,
        flags=flows.flags,
        first_row=flows.first_row,
        sorted_rows=sorted_rows,
        starts=starts,
    )


class FlowFinder:
    """Finds the TCP connections of segments that come in batches, one after the other."""

    def __init__(self) -> None:
        self.table = FlowTable.allocate(FIRST_SLOTS)
        """Connections so far; rows beyond `count` hold nothing."""
        self._slots = np.full(FIRST_SLOTS, NOBODY, np.int64)
        self._counters = np.zeros(2, np.int64)

    @property
    def count(self) -> int:
        """Connections found so far."""
        return int(self._counters[FLOWS])

    def release(self) -> None:
        """Forget all but the ends of each connection, as nothing is placed after this."""
        none, no_pairs = np.empty(0, np.int64), np.empty((0, 2), np.int64)
        self.table = self.table._replace(
            first_row=none, opener=none, isn=no_pairs, flags=no_pairs, segments=no_pairs
        )
        self._slots = none

    def take(self, headers: Headers, order: Column) -> tuple[Column, Column]:
        """Place a batch of segments.

        Args:
            headers: The batch.
            order: Its rows in the order of time.

        Returns:
            The connection (row of `table`) and the sending end of each row of the batch.
        """
        flow_of, end_of = np.empty(len(order), np.int64), np.empty(len(order), np.uint8)
        place = 0
        while True:
            place = int(
                assign(
                    headers, order, place, self.table, self._slots, self._counters, flow_of, end_of
                )
            )
            if place == len(order):
                return flow_of, end_of
            if self.count == len(self.table.opener):
                self.table = self.table.resized(2 * self.count)
            if 2 * int(self._counters[TAKEN]) >= len(self._slots):
                larger = np.full(4 * len(self._slots), NOBODY, np.int64)
                move(self._slots, larger, self.table)
                self._slots = larger


def headers_of(packets: Packets) -> Headers:
    """Return what tells connections apart, as kernels take it."""
    return Headers(
        src_high=packets.src_high.view(np.int64),
        src_low=packets.src_low.view(np.int64),
        dst_high=packets.dst_high.view(np.int64),
        dst_low=packets.dst_low.view(np.int64),
        src_port=packets.src_port,
        dst_port=packets.dst_port,
        seq=packets.seq,
        ack=packets.ack,
        flags=packets.flags,
    )


def time_order(time_ns: Column) -> Column:
    """Return the rows in the order of time, in the order of the file where times are equal."""
    if len(time_ns) < 2 or bool(np.all(time_ns[1:] >= time_ns[:-1])):  # noqa: PLR2004 - a pair
        return np.arange(len(time_ns), dtype=np.int64)
    return np.argsort(time_ns, kind="stable").astype(np.int64, copy=False)
