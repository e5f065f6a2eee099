"""What became of the segments that are in one capture only: one rule for both ends.

A segment of the sender that did not arrive and one of the receiver that was not sent are asked the
same: does the other capture hold its bytes in other segments, was it too early or too late for that
capture, and did that capture lose anything?  `Fate` and `Origin` have the same numbers for this.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.byte_ranges import ByteRanges
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.lane_crossing import Fate
from mptcp_check.analysis.pairing.segment_matching import Segments
from mptcp_check.analysis.pairing.stream_drift import StreamDrift

_FIN: Final = int(Flag.FIN)
_SYN: Final = int(Flag.SYN)

Truth = npt.NDArray[np.bool_]


class Clocks(NamedTuple):
    """Bounds of the difference of the two clocks' readings of one segment, received and sent."""

    least_ns: int
    most_ns: int


class End(NamedTuple):
    """All lanes at one end."""

    at_sender: bool
    segments: Segments
    left: Column
    """int64: which of the segments did not cross."""
    crossed: Column
    """int64: which did."""
    halves: Column
    """int64, one per lane: half of the end's `HalfTable`."""
    shifts: Column
    """int64, one per lane: added to the end's places to count as the sender does."""
    back_shifts: Column
    """int64, one per lane: the same for places in the other direction's stream."""
    runs: list[tuple[int, int]]
    """One per lane: from where to where its segments are."""

    @property
    def table(self) -> HalfTable:
        """The halves of this end's capture."""
        return self.segments.table


class _Left(NamedTuple):
    """The segments of one end that did not cross; one row each."""

    lane: Column
    half: Column
    """int64: their half of the other end."""
    start: Column
    """int64: their place in the stream, as the other end counts."""
    end: Column
    moved: Column
    """int64: how far the place differs from the one at their own end, as that counts."""
    length: Column
    is_syn: Truth
    is_fin: Truth

    @property
    def takes_place(self) -> Truth:
        """Whether it takes a place in the stream: a SYN is asked for by itself."""
        return np.asarray(((self.length > 0) | self.is_fin) & ~self.is_syn)


def fates(own: End, other: End, drift: StreamDrift, clocks: Clocks | None) -> Column:
    """Say what became of every segment of one end, or where it came from.

    Args:
        own: The end that is asked about.
        other: The end whose capture tells.
        drift: Where streams were resized.
        clocks: If known.

    Returns:
        uint8: `Fate` of the sender's segments, `Origin` of the receiver's.
    """
    found = np.full(len(own.segments), Fate.CROSSED, np.uint8)
    if not len(own.left):
        return found
    left = _left(own, other, drift)
    table = other.table
    loose = _loose(other).covered_bytes(left.lane, left.start, left.end)
    seen = table.captured.covered_bytes(left.half, left.start, left.end)
    whole = (left.length > 0) & (seen == left.length)
    if own.at_sender:
        known = left.takes_place & _acknowledged(left, own, other)
    else:
        whole &= _sent_by_then(left, own, other, clocks)
        known = left.takes_place & _sent_anyway(left, table) & (left.length > seen)
    before, after = _outside(own, table, clocks)
    found[own.left] = np.select(
        [
            whole & (loose > 0),
            whole,
            _too_early(own, table, left.half),
            known | (left.is_syn & table.lost_syn[left.half]),
            before,
            after,
            ~left.takes_place & ~left.is_syn & _lossy(left, own, other),
        ],
        [
            int(Fate.RESEGMENTED),
            int(Fate.SENT_AGAIN),
            int(Fate.OUTSIDE),
            int(Fate.CAPTURE_MAY_HAVE_LOST),
            int(Fate.OUTSIDE),
            int(Fate.AFTER_END),
            int(Fate.CAPTURE_MAY_HAVE_LOST),
        ],
        int(Fate.VANISHED),
    )
    return found


def _left(own: End, other: End, drift: StreamDrift) -> _Left:
    segments_, chosen = own.segments, own.left
    lane, length, kind = (c[chosen] for c in (segments_.lane, segments_.length, segments_.kind))
    moved = drift.of(segments_, chosen, at_sender=own.at_sender)
    moved = (moved if own.at_sender else -moved) - other.shifts[lane]
    start = segments_.start[chosen] + moved
    return _Left(
        lane=lane,
        half=other.halves[lane],
        start=start,
        end=start + length,
        moved=moved,
        length=length,
        is_syn=(kind & _SYN) != 0,
        is_fin=(kind & _FIN) != 0,
    )


def _loose(end: End) -> ByteRanges:
    """Return the ranges that the segments of an end cover which did not cross, as it counts."""
    segments_ = end.segments
    chosen = end.left[segments_.length[end.left] > 0]
    lanes = segments_.lane[chosen]
    starts = segments_.start[chosen] - end.shifts[lanes]
    return ByteRanges(len(end.halves), lanes, starts, starts + segments_.length[chosen])


def _acknowledged(left: _Left, own: End, other: End) -> Truth:
    """Say which segments the receiver acknowledged, in either capture.

    An acknowledgement that reached the sender may be a middlebox's: even then, not proven.
    """
    places = np.maximum(
        other.table.confirmed[left.half],
        own.table.confirmed[own.halves[left.lane]] + left.moved,
    )
    return np.asarray(places >= left.end + left.is_fin)


def _sent_anyway(left: _Left, sender: HalfTable) -> Truth:
    """Say which segments the sender must have sent, as its numbers went on behind them.

    Where they were acknowledged at the sender, too, whoever injects ahead of it cannot be told
    from a loss.
    """
    places = np.maximum(sender.reached[left.half], sender.confirmed[left.half])
    return np.asarray(places >= left.end)


def _lossy(left: _Left, own: End, other: End) -> Truth:
    """Say for each segment whether the other capture lost anything of its subflow.

    Its own numbers show it, or a SYN that it lacks, or what its host acknowledged by this capture.
    """
    table, back = other.table, left.half ^ 1
    as_end, as_peer = table.loss_as_receiver, table.loss_as_sender
    if other.at_sender:
        as_end, as_peer = as_peer, as_end
    found = (as_end[left.half] > 0) | (as_peer[back] > 0)
    found |= table.lost_syn[left.half] | table.lost_syn[back]
    reached = np.zeros(len(table), np.int64)
    moved = own.back_shifts - other.back_shifts
    reached[other.halves ^ 1] = own.table.confirmed[own.halves ^ 1] + moved
    return np.asarray(found | (table.missing_before(reached)[back] > 0))


def _sent_by_then(left: _Left, own: End, sender: End, clocks: Clocks | None) -> Truth:
    """Say whether the sender had sent as far as these segments reach when they arrived."""
    answers = np.ones(len(left.lane), np.bool_)
    if clocks is None:
        return answers
    arrived_ns = _times_ns(own, own.left)
    sent = sender.segments
    order = np.argsort(left.lane, kind="stable")
    edges = np.flatnonzero(np.diff(left.lane[order], prepend=-1))
    for members in np.split(order, edges[1:]):
        run = slice(*sender.runs[int(left.lane[members[0]])])
        reach = np.maximum.accumulate(sent.start[run] + sent.length[run])
        if not len(reach):
            continue
        at = np.minimum(np.searchsorted(reach, left.end[members]), len(reach) - 1)
        sent_ns = sent.table.time_ns[sent.position[run]][at]
        answers[members] = arrived_ns[members] - sent_ns >= clocks.least_ns
    return answers


def _times_ns(end: End, chosen: Column) -> Column:
    return np.asarray(end.table.time_ns[end.segments.position[chosen]])


def _outside(own: End, other: HalfTable, clocks: Clocks | None) -> tuple[Truth, Truth]:
    """Say which may have crossed before the other capture's first frame, or after its last."""
    if clocks is None or not len(other.time_ns):
        nothing = np.zeros(len(own.left), np.bool_)
        return nothing, nothing
    times = _times_ns(own, own.left)
    every = other.capture.packets.time_ns
    first, last = int(every.min()), int(every.max())
    if own.at_sender:
        return times + clocks.least_ns < first, times + clocks.most_ns > last
    # what was on the way when the sender's capture ended is in it
    return times - clocks.most_ns < first, times - clocks.most_ns > last


def _too_early(own: End, other: HalfTable, halves: Column) -> Truth:
    """Say which segments come before the first one that crossed, where the other capture is late.

    Without SYN and SYN/ACK the other capture began in the middle of the flow.
    """
    segments_ = own.segments
    late = ~(other.has_syn[halves] | other.has_syn[halves ^ 1])
    first = np.full(len(own.halves), len(segments_), np.int64)
    np.minimum.at(first, segments_.lane[own.crossed], own.crossed)
    return np.asarray(late & (own.left < first[segments_.lane[own.left]]))
