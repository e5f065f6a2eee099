"""TCP connections of a capture: which segments belong together, who opened, who sent what."""

from dataclasses import dataclass

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.flows.flow_kernel import (
    NOBODY,
    FlowTable,
    Headers,
    assign,
    sort_rows,
)


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
    total = len(packets)
    order = time_order(packets.time_ns)
    headers = Headers(
        src_high=packets.src_high.view(np.int64),
        src_low=packets.src_low.view(np.int64),
        dst_high=packets.dst_high.view(np.int64),
        dst_low=packets.dst_low.view(np.int64),
        src_port=packets.src_port.astype(np.int64),
        dst_port=packets.dst_port.astype(np.int64),
        seq=packets.seq.astype(np.int64),
        ack=packets.ack.astype(np.int64),
        flags=packets.flags.astype(np.int64),
    )
    flows = FlowTable.allocate(total)
    flow_of, end_of = np.empty(total, np.int64), np.empty(total, np.uint8)
    count = int(assign(headers, order, flows, flow_of, end_of))
    flows = FlowTable(*(column[:count].copy() for column in flows))
    sorted_rows, starts = sort_rows(order, flow_of, end_of, flows, count)
    midstream = flows.opener == NOBODY
    guess = headers.src_port[flows.first_row] < headers.dst_port[flows.first_row]
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


def time_order(time_ns: Column) -> Column:
    """Return the rows in the order of time, in the order of the file where times are equal."""
    if len(time_ns) < 2 or bool(np.all(time_ns[1:] >= time_ns[:-1])):  # noqa: PLR2004 - a pair
        return np.arange(len(time_ns), dtype=np.int64)
    return np.argsort(time_ns, kind="stable").astype(np.int64, copy=False)
