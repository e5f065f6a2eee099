"""The rows of a batch by connection, without an object per packet; PURE."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.packets import Packets

Rows = npt.NDArray[np.int64]

_PARTS: Final = 6


class FlowKey(NamedTuple):
    """The two ends of a TCP connection, the lower one first: the same for both directions."""

    high: int
    low: int
    port: int
    other_high: int
    other_low: int
    other_port: int


class End(NamedTuple):
    """One end of a connection: the two halves of an address as the columns hold them, a port."""

    high: int
    low: int
    port: int


def source(packets: Packets, row: int) -> End:
    """Return who sent a segment."""
    return End(int(packets.src_high[row]), int(packets.src_low[row]), int(packets.src_port[row]))


def destination(packets: Packets, row: int) -> End:
    """Return whom it was sent to."""
    return End(int(packets.dst_high[row]), int(packets.dst_low[row]), int(packets.dst_port[row]))


def groups(packets: Packets, multipliers: npt.NDArray[np.uint64]) -> Iterator[tuple[FlowKey, Rows]]:
    """Yield each connection of a batch with its rows in order.

    Args:
        packets: A batch.
        multipliers: Six odd secret numbers: nobody outside can make connections collide.
    """
    if not len(packets):
        return
    parts = _normal(packets)
    # Multiply-add with wrap-around; what collides all the same is told apart below.
    hashed = (parts * multipliers).sum(axis=1, dtype=np.uint64)
    hashed ^= hashed >> np.uint64(29)
    order = np.argsort(hashed, kind="stable")
    sorted_parts = parts[order]
    changes = np.flatnonzero((sorted_parts[1:] != sorted_parts[:-1]).any(axis=1)) + 1
    starts = np.concatenate([[0], changes])
    ends = np.concatenate([changes, [len(order)]])
    # Two connections of one hash may alternate: then one comes twice, which does no harm.
    keys = sorted_parts[starts].tolist()
    for key, start, end in zip(keys, starts.tolist(), ends.tolist(), strict=True):
        yield FlowKey(*key), order[start:end].astype(np.int64)


def _normal(packets: Packets) -> npt.NDArray[np.uint64]:
    """Return the ends of every row, the lower one first."""
    source_: list[Any] = [packets.src_high, packets.src_low, packets.src_port.astype(np.uint64)]
    target: list[Any] = [packets.dst_high, packets.dst_low, packets.dst_port.astype(np.uint64)]
    above = np.zeros(len(packets), dtype=bool)
    equal = np.ones(len(packets), dtype=bool)
    for one, other in zip(source_, target, strict=True):
        above |= equal & (one > other)
        equal &= one == other
    parts = np.empty((len(packets), _PARTS), dtype=np.uint64)
    for column, (one, other) in enumerate(zip(source_, target, strict=True)):
        parts[:, column] = np.where(above, other, one)
        parts[:, column + 3] = np.where(above, one, other)
    return parts
