"""What the receiver's DATA_ACKs say, and how far its window reaches."""

from collections.abc import Sequence

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Packets
from mptcp_check.analysis.series.lanes import Lane
from mptcp_check.analysis.series.mappings import Numbers
from mptcp_check.analysis.series.values import Acknowledged, SentData, Steps


def ack_numbers(packets: Packets, lane: Lane) -> tuple[Numbers, Column]:
    """Return the DATA_ACKs that a lane carries, and the positions of their segments in it."""
    dss = packets.dss
    chosen = np.flatnonzero((dss.parts[lane.dss] & DssFlag.DATA_ACK) != 0)
    own, carrier = lane.dss[chosen], lane.dss_carrier[chosen]
    numbers = Numbers(
        time_ns=lane.time_ns[carrier],
        row=lane.rows[carrier],
        raw=dss.data_ack[own],
        wide=(dss.flags[own] & DssFlag.DATA_ACK_64) != 0,
    )
    return numbers, carrier


def acknowledged(
    lanes: Sequence[Lane],
    carriers: Sequence[Column],
    numbers: Sequence[Column],
    believed: Sequence[Column],
) -> Acknowledged:
    """Put the DATA_ACKs of all lanes into the order of time.

    The window of a Multipath TCP connection counts from the DATA_ACK, whatever subflow carries it,
    and its right edge never goes back: RFC 8684, section 3.3.4.
    """
    kept = [carrier[good] for carrier, good in zip(carriers, believed, strict=True)]
    time_ns = np.concatenate([lane.time_ns[at] for lane, at in zip(lanes, kept, strict=True)])
    window = np.concatenate([lane.window[at] for lane, at in zip(lanes, kept, strict=True)])
    subflow = np.concatenate(
        [np.full(len(at), lane.subflow, np.int64) for lane, at in zip(lanes, kept, strict=True)]
    )
    data_ack = np.concatenate([n[good] for n, good in zip(numbers, believed, strict=True)])
    row = np.concatenate([lane.rows[at] for lane, at in zip(lanes, kept, strict=True)])
    order = np.lexsort((row, time_ns))
    data_ack, window = data_ack[order], window[order]
    highest = np.maximum.accumulate(data_ack) if len(data_ack) else data_ack
    edge = np.where(window < 0, -1, data_ack + window)
    return Acknowledged(
        time_ns=time_ns[order],
        row=row[order],
        data_ack=data_ack,
        advance_bytes=np.diff(highest, prepend=highest[:1]),
        right_edge=np.maximum.accumulate(edge) if len(edge) else edge,
        subflow=subflow[order],
    )


def window(acks: Acknowledged) -> Steps:
    """Return how much the receiver is willing to take beyond what it acknowledged."""
    highest = np.maximum.accumulate(acks.data_ack) if len(acks) else acks.data_ack
    known = acks.right_edge >= 0
    return Steps(time_ns=acks.time_ns[known], value=(acks.right_edge - highest)[known])


def outstanding(sent: SentData, acks: Acknowledged) -> Steps:
    """Return the data that was sent and not acknowledged by DATA_ACK."""
    return difference((sent.time_ns, sent.row, sent.end), (acks.time_ns, acks.row, acks.data_ack))


def difference(sent: tuple[Column, Column, Column], acks: tuple[Column, Column, Column]) -> Steps:
    """Return the highest number sent less the highest acknowledged, after each change of either.

    Before the first acknowledgement the lowest number sent is taken as acknowledged.

    Args:
        sent: Times, rows in `Packets` and numbers.
        acks: The same of what acknowledges them.
    """
    ends, numbers = sent[2], acks[2]
    if not len(ends):
        return Steps(time_ns=sent[0], value=ends)
    floor = min(int(ends.min()), int(numbers.min())) if len(numbers) else int(ends.min())
    time_ns, row = (np.concatenate([sent[column], acks[column]]) for column in range(2))
    order = np.lexsort((row, time_ns))
    top = np.concatenate([ends, np.full(len(numbers), floor)])[order]
    bottom = np.concatenate([np.full(len(ends), floor), numbers])[order]
    value = np.maximum.accumulate(top) - np.maximum.accumulate(bottom)
    return Steps(time_ns=time_ns[order], value=np.maximum(value, 0))
