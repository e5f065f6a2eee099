"""All lanes of one direction of sending that both captures hold, and what became of each segment.

One table has the lanes that one machine sends on; its columns are made at the first use, for all
lanes at once.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.octet_kernel import compare_octets
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.byte_ranges import ByteRanges
from mptcp_check.analysis.pairing.changed_fields import changed_fields
from mptcp_check.analysis.pairing.clock_offset import ClockOffset
from mptcp_check.analysis.pairing.halves import UNKNOWN, HalfTable
from mptcp_check.analysis.pairing.lane_crossing import (
    CaptureLoss,
    Fate,
    Field,
    LaneCrossing,
    MatchedBy,
    Origin,
)
from mptcp_check.analysis.pairing.segment_matching import (
    Matches,
    Segments,
    groups_of,
    joined,
    left_over,
    match_segments,
    moved,
    segments,
)
from mptcp_check.model import Side

Made = TypeVar("Made")
_FIN: Final = int(Flag.FIN)
_SYN: Final = int(Flag.SYN)
_LEAST_STRANGERS: Final = 3
"""One or two bare ACKs that nobody sent may be duplicates that the path made."""


class Shared(NamedTuple):
    """The lanes of one sending machine: which half here is which one there."""

    sender: Side
    here: HalfTable
    """Of the sender's capture."""
    there: HalfTable
    """Of the receiver's capture."""
    sent: Column
    """int64, one per lane: half of `here`."""
    received: Column
    """int64, one per lane: half of `there`."""
    shifts: Column
    """int64, one per lane: added to the receiver's places to count as the sender does."""
    back_shifts: Column
    """int64, one per lane: the same for places in the other direction's stream."""

    def segments(self) -> tuple[Segments, Segments]:
        """Return the segments of all lanes at both ends."""
        nothing = np.zeros_like(self.shifts)
        return (
            segments(self.here, self.sent, nothing, nothing),
            segments(self.there, self.received, self.shifts, self.back_shifts),
        )


class Crossed(NamedTuple):
    """Segments at both ends, of all lanes of a table; in the order of lanes and of sending."""

    sent: Column
    """int64: row of the sender's capture."""
    received: Column
    """int64: row of the receiver's capture."""
    lane: Column
    """int64: number of the lane in the table."""


class LaneTable:
    """What became of every segment of some lanes.

    Args:
        shared: The lanes.
        matching: Their segments, and the matches that need no clock.
        clock: Bounds of the clocks' difference, if known.
    """

    def __init__(
        self,
        shared: Shared,
        matching: tuple[Segments, Segments, Matches],
        clock: ClockOffset | None,
    ) -> None:
        self._shared, self._clock = shared, clock
        self._made: dict[Callable[[LaneTable], object], object] = {}
        self._sent, self._received, self._first_matches = matching
        # segments are in the order of halves, so each lane has one run of them
        self._sent_runs = _runs(self._sent, shared.here, shared.sent)
        self._received_runs = _runs(self._received, shared.there, shared.received)

    def __len__(self) -> int:
        """Return the count of lanes."""
        return len(self._shared.sent)

    @property
    def here(self) -> HalfTable:
        """The halves of the sender's capture."""
        return self._shared.here

    @property
    def there(self) -> HalfTable:
        """The halves of the receiver's capture."""
        return self._shared.there

    def once(self, make: "Callable[[LaneTable], Made]") -> "Made":
        """Return what a function makes of this table; it is called the first time only."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]  # type: ignore[assignment] # what `make` returned
        return made

    @cached_property
    def least(self) -> npt.NDArray[np.uint8]:
        """One per lane: the weakest `MatchedBy` with which a difference accuses the path.

        That there is no other candidate (``ALONE``) means something only where both captures are
        whole: without a SYN, or with holes, the other candidate may be what was not captured.
        """
        shared = self._shared
        whole = np.ones(len(self), np.bool_)
        for table, halves, lost in (
            (shared.here, shared.sent, shared.here.loss_as_sender),
            (shared.there, shared.received, shared.there.loss_as_receiver),
        ):
            whole &= (table.isn[halves] != UNKNOWN) & (lost[halves] == 0) & ~table.lost_syn[halves]
        return np.where(whole, MatchedBy.ALONE, MatchedBy.FIELDS).astype(np.uint8)

    @cached_property
    def sure(self) -> Crossed:
        """The segments that may accuse: those whose match is at least `least`."""
        lane = self._sent.lane[self._matches.sent]
        return self._crossed(self._strengths >= self.least[lane])

    @cached_property
    def agreeing(self) -> Crossed:
        """The segments of which every identifying field agrees at both ends."""
        return self._crossed(self._strengths == MatchedBy.FIELDS)

    def _crossed(self, chosen: npt.NDArray[np.bool_]) -> Crossed:
        here, there = self._crossed_rows
        lane = self._sent.lane[self._matches.sent]
        return Crossed(here[chosen], there[chosen], np.asarray(lane[chosen]))

    def crossing(self, lane: int) -> LaneCrossing:
        """Return what became of the segments of one lane."""
        here, there = self._slice(self._sent_runs, lane), self._slice(self._received_runs, lane)
        low, high = self._crossed_runs[lane]
        return LaneCrossing(
            sent=self._crossed_rows[0][low:high],
            received=self._crossed_rows[1][low:high],
            by=self._strengths[low:high],
            fates=self._fates[here],
            origins=self._origins[there],
            sent_rows=self._rows[0][here],
            received_rows=self._rows[1][there],
        )

    @cached_property
    def _strengths(self) -> npt.NDArray[np.uint8]:
        """One per match: how sure it is.

        Where bare ACKs appear that nobody sent, any other bare ACK of the lane may be such a one.
        """
        matches, received = self._matches, self._received
        strangers = np.flatnonzero(self._origins == Origin.APPEARED)
        strangers = strangers[self._is_bare(received, strangers)]
        counts = np.bincount(received.lane[strangers], minlength=len(self))
        doubtful = counts[self._sent.lane[matches.sent]] >= _LEAST_STRANGERS
        doubtful &= self._is_bare(self._sent, matches.sent)
        return np.where(doubtful, np.minimum(matches.by, MatchedBy.TIME), matches.by).astype(
            np.uint8
        )

    @staticmethod
    def _is_bare(segments_: Segments, chosen: Column) -> npt.NDArray[np.bool_]:
        return np.asarray((segments_.length[chosen] == 0) & (segments_.kind[chosen] == 0))

    def changed(self, lane: int) -> Field:
        """Return which header fields differ in any segment that is surely one at both ends."""
        return Field(int(self._changed[lane]))

    def loss(self, lane: int, *, at_sender: bool) -> CaptureLoss:
        """Return what one end's capture lost of a lane."""
        shared = self._shared
        table = shared.here if at_sender else shared.there
        half = int((shared.sent if at_sender else shared.received)[lane])
        return capture_loss(table, half, at_sender=at_sender)

    def drifts(self, lane: int) -> list[tuple[int, int]]:
        """Return where a lane's stream was resized: (place at the receiver, shift from there on).

        Empty where segments stand where they were sent.
        """
        return self._drifts.get(lane, [])

    def payload_same(self, lane: int) -> npt.NDArray[np.bool_]:
        """Say of each crossed segment whether its captured payload is the same at both ends."""
        low, high = self._crossed_runs[lane]
        return self._payload_same[low:high]

    @staticmethod
    def _slice(runs: Column, lane: int) -> slice:
        return slice(int(runs[lane, 0]), int(runs[lane, 1]))

    @cached_property
    def _rows(self) -> tuple[Column, Column]:
        return (
            self._shared.here.rows[self._sent.position],
            self._shared.there.rows[self._received.position],
        )

    @cached_property
    def _matches(self) -> Matches:
        """All matches, in the order of the sender's segments: those by time too."""
        first, sent, received = self._first_matches, self._sent, self._received
        here, there = left_over(first, sent, received)
        if self._drifts and len(here) and len(there):
            places = (
                sent.start[here] + self._drift_of(sent, here, at_sender=True),
                received.start[there],
            )
            first = joined(sent, received, first, moved(sent, received, (here, there), places))
            here, there = left_over(first, sent, received)
        names = groups_of(sent, here), groups_of(received, there)
        both = np.intersect1d(*names)
        if not len(both):
            return first
        found = list(self._by_clock([here, there], list(names), both))
        if not found:
            return first
        more = np.array(found, dtype=np.int64)
        return joined(
            sent,
            received,
            first,
            Matches(sent=more[:, 0], received=more[:, 1], by=more[:, 2].astype(np.uint8)),
        )

    def _by_clock(
        self, chosen: list[Column], names: list[Column], both: Column
    ) -> Iterable[tuple[int, int, int]]:
        """Match copies that are not as many at both ends: each with the last one sent before."""
        least_ns = None
        if self._clock is not None:
            least_ns = self._clock.least_difference_ns(self._shared.sender)
        events: dict[int, list[list[tuple[int, int]]]] = {int(name): [[], []] for name in both}
        for end, segments_ in enumerate((self._sent, self._received)):
            keep = np.isin(names[end], both)
            index = chosen[end][keep]
            times = segments_.table.time_ns[segments_.position[index]]
            for name, number, time_ns in zip(
                names[end][keep].tolist(), index.tolist(), times.tolist(), strict=True
            ):
                events[name][end].append((time_ns, number))
        for here, there in events.values():
            if least_ns is None:
                for (_, a), (_, b) in zip(here, there, strict=False):
                    yield a, b, int(MatchedBy.ORDER)
                continue
            waiting, free = iter(here), list[int]()
            upcoming = next(waiting, None)
            for received_ns, b in there:
                while upcoming is not None and received_ns - upcoming[0] >= least_ns:
                    free.append(upcoming[1])
                    upcoming = next(waiting, None)
                if free:
                    yield free.pop(), b, int(MatchedBy.TIME)

    @cached_property
    def _crossed_rows(self) -> tuple[Column, Column]:
        matches = self._matches
        return self._rows[0][matches.sent], self._rows[1][matches.received]

    @cached_property
    def _payload_same(self) -> npt.NDArray[np.bool_]:
        near, far = self._shared.here.capture.packets, self._shared.there.capture.packets
        here, there = self._crossed_rows
        captured = near.captured_bytes[here], far.captured_bytes[there]
        same = np.empty(len(here), np.uint8)
        compare_octets(
            readable(near.buffer),
            readable(far.buffer),
            near.payload_offset[here],
            far.payload_offset[there],
            np.minimum(*captured).astype(np.int64),
            same,
        )
        return np.asarray(same == 1)

    @cached_property
    def _crossed_runs(self) -> list[tuple[int, int]]:
        edges = np.searchsorted(self._matches.sent, self._sent_runs)
        return [(int(low), int(high)) for low, high in edges.tolist()]

    @cached_property
    def _drifts(self) -> dict[int, list[tuple[int, int]]]:
        """By lane: where the shift between the streams changes, as the crossed data shows."""
        matches, sent, received = self._first_matches, self._sent, self._received
        # a FIN with data may be a FIN without it after a proxy: that one stands behind the data
        lengths = sent.length[matches.sent]
        carries = (lengths > 0) & (received.length[matches.received] == lengths)
        a, b = matches.sent[carries], matches.received[carries]
        distances = received.start[b] - sent.start[a]
        lanes = np.unique(sent.lane[a[distances != 0]])
        found: dict[int, list[tuple[int, int]]] = {}
        of_lane = sent.lane[a]
        for lane in lanes.tolist():
            own = np.flatnonzero(of_lane == lane)
            own = own[np.argsort(received.start[b[own]], kind="stable")]
            shifts = distances[own]
            edge = np.concatenate(([True], shifts[1:] != shifts[:-1]))
            places = received.start[b[own]][edge]
            pairs = list(zip(places.tolist(), shifts[edge].tolist(), strict=True))
            found[lane] = pairs if pairs[0][1] == 0 else [(0, 0), *pairs]
        return found

    def _drift_of(self, segments_: Segments, chosen: Column, *, at_sender: bool) -> Column:
        """Return for each chosen segment how far the receiver's stream has moved there."""
        found = np.zeros(len(chosen), np.int64)
        if not self._drifts:
            return found
        lanes = segments_.lane[chosen]
        for lane, drifts in self._drifts.items():
            own = np.flatnonzero(lanes == lane)
            places = np.array([p - (shift if at_sender else 0) for p, shift in drifts])
            shifts = np.array([shift for _, shift in drifts])
            index = np.searchsorted(places, segments_.start[chosen[own]], side="right") - 1
            found[own] = shifts[np.maximum(index, 0)]
        return found

    @cached_property
    def _fates(self) -> npt.NDArray[np.uint8]:
        shared, sent, received = self._shared, self._sent, self._received
        here, there = left_over(self._matches, sent, received)
        fates = np.full(len(sent), Fate.CROSSED, np.uint8)
        if not len(here):
            return fates
        lanes, lengths = sent.lane[here], sent.length[here]
        drift = self._drift_of(sent, here, at_sender=True)
        starts = sent.start[here] - shared.shifts[lanes] + drift
        halves = shared.received[lanes]
        table = shared.there
        loose = _ranges(received, there, len(shared.sent), shared.shifts)
        some = loose.covered_bytes(lanes, starts, starts + lengths)
        seen = table.captured.covered_bytes(halves, starts, starts + lengths)
        needed = starts + lengths + ((sent.kind[here] & _FIN) != 0)
        is_syn = (sent.kind[here] & _SYN) != 0
        takes_place = (lengths > 0) | ((sent.kind[here] & _FIN) != 0)
        # an acknowledgement that reached the sender may be a middlebox's: even then, not proven
        acked = np.maximum(
            table.confirmed[halves],
            shared.here.confirmed[shared.sent[lanes]] - shared.shifts[lanes] + drift,
        )
        confirmed = takes_place & ~is_syn & (acked >= needed)
        lossy = (table.loss_as_receiver[halves] > 0) | (table.loss_as_sender[halves ^ 1] > 0)
        whole = (lengths > 0) & (seen == lengths)
        before, after = self._outside(sent, here, at_sender=True)
        early = _too_early(sent, here, self._matches.sent, shared.there, halves)
        fates[here] = np.select(
            [
                whole & (some > 0),
                whole,
                early,
                confirmed | (is_syn & table.lost_syn[halves]),
                before,
                after,
                ~takes_place & ~is_syn & lossy,
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
        return fates

    @cached_property
    def _origins(self) -> npt.NDArray[np.uint8]:
        shared, sent, received = self._shared, self._sent, self._received
        here, there = left_over(self._matches, sent, received)
        origins = np.full(len(received), Origin.CROSSED, np.uint8)
        if not len(there):
            return origins
        lanes, lengths = received.lane[there], received.length[there]
        starts = received.start[there] - self._drift_of(received, there, at_sender=False)
        ends = starts + lengths
        halves = shared.sent[lanes]
        table = shared.here
        loose = _ranges(sent, here, len(shared.sent), np.zeros_like(shared.shifts))
        some = loose.covered_bytes(lanes, starts, ends)
        seen = table.captured.covered_bytes(halves, starts, ends)
        is_syn = (received.kind[there] & _SYN) != 0
        takes_place = (lengths > 0) | ((received.kind[there] & _FIN) != 0)
        lossy = (table.loss_as_sender[halves] > 0) | (table.loss_as_receiver[halves ^ 1] > 0)
        whole = (lengths > 0) & (seen == lengths) & self._sent_by_then(lanes, ends, there)
        # acknowledged at the sender, too: whoever injects ahead of it cannot be told from a loss
        known_sent = np.maximum(table.reached[halves], table.confirmed[halves])
        went_on = takes_place & ~is_syn & (known_sent >= ends) & (lengths > seen)
        before, after = self._outside(received, there, at_sender=False)
        early = _too_early(received, there, self._matches.received, shared.here, halves)
        origins[there] = np.select(
            [
                whole & (some > 0),
                whole,
                early,
                went_on | (is_syn & table.lost_syn[halves]),
                before,
                after,
                ~takes_place & ~is_syn & lossy,
            ],
            [
                int(Origin.RESEGMENTED),
                int(Origin.EXTRA_COPY),
                int(Origin.OUTSIDE),
                int(Origin.CAPTURE_MAY_HAVE_LOST),
                int(Origin.OUTSIDE),
                int(Origin.AFTER_END),
                int(Origin.CAPTURE_MAY_HAVE_LOST),
            ],
            int(Origin.APPEARED),
        )
        return origins

    def _sent_by_then(self, lanes: Column, ends: Column, there: Column) -> npt.NDArray[np.bool_]:
        """Say whether the sender had sent as far as these places when the segments arrived."""
        if self._clock is None:
            return np.ones(len(lanes), np.bool_)
        sent, received = self._sent, self._received
        least_ns = self._clock.least_difference_ns(self._shared.sender)
        arrived_ns = received.table.time_ns[received.position[there]]
        answers = np.ones(len(lanes), np.bool_)
        order = np.argsort(lanes, kind="stable")
        edges = np.flatnonzero(np.diff(lanes[order], prepend=-1))
        for members in np.split(order, edges[1:]):
            run = self._slice(self._sent_runs, int(lanes[members[0]]))
            reach = np.maximum.accumulate(sent.start[run] + sent.length[run])
            if not len(reach):
                continue
            at = np.minimum(np.searchsorted(reach, ends[members]), len(reach) - 1)
            sent_ns = sent.table.time_ns[sent.position[run]][at]
            answers[members] = arrived_ns[members] - sent_ns >= least_ns
        return answers

    def _outside(
        self, segments_: Segments, chosen: Column, *, at_sender: bool
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Say which may have crossed before the other capture's first frame, or after its last."""
        other = self._shared.there if at_sender else self._shared.here
        if self._clock is None or not len(other.time_ns):
            nothing = np.zeros(len(chosen), np.bool_)
            return nothing, nothing
        sender = self._shared.sender
        least_ns = self._clock.least_difference_ns(sender)
        most_ns = self._clock.most_difference_ns(sender)
        times = segments_.table.time_ns[segments_.position[chosen]]
        every = other.capture.packets.time_ns
        first, last = int(every.min()), int(every.max())
        if at_sender:
            return times + least_ns < first, times + most_ns > last
        # what was on the way when the sender's capture ended is in it
        return times - most_ns < first, times - most_ns > last

    @cached_property
    def _changed(self) -> Column:
        """int64, one per lane: `Field` bits."""
        strong = self._matches.by >= MatchedBy.ALONE
        here, there = (rows[strong] for rows in self._crossed_rows)
        near, far = self._shared.here.capture.packets, self._shared.there.capture.packets
        bits = changed_fields(near, far, here, there)
        found = np.zeros(len(self._shared.sent), np.int64)
        np.bitwise_or.at(found, self._sent.lane[self._matches.sent[strong]], bits)
        return found


def _too_early(
    segments_: Segments, chosen: Column, crossed: Column, other: HalfTable, halves: Column
) -> npt.NDArray[np.bool_]:
    """Say which segments come before the first one that crossed, where the other capture is late.

    Without SYN and SYN/ACK the other capture began in the middle of the flow.

    Args:
        segments_: Of one end.
        chosen: Those that did not cross.
        crossed: Those that did.
        other: Of the other end.
        halves: Half of `other` of each chosen segment.
    """
    late = ~(other.has_syn[halves] | other.has_syn[halves ^ 1])
    lanes = int(segments_.lane.max(initial=-1)) + 1
    first = np.full(lanes, len(segments_), np.int64)
    np.minimum.at(first, segments_.lane[crossed], crossed)
    return np.asarray(late & (chosen < first[segments_.lane[chosen]]))


def table_of(shared: Shared) -> tuple[Segments, Segments, Matches]:
    """Match the segments of some lanes as far as no clock is needed."""
    sent, received = shared.segments()
    return sent, received, match_segments(sent, received)


def capture_loss(table: HalfTable, half: int, *, at_sender: bool) -> CaptureLoss:
    """Return what a capture lost of one half.

    Args:
        table: Where the half is.
        half: Its number.
        at_sender: Whether the captured host sent it; else it received it.
    """
    lost = table.loss_as_sender if at_sender else table.loss_as_receiver
    ranges = table.captured
    seen = ranges.covered_bytes(
        np.array([half]), ranges.lowest[half : half + 1], ranges.highest[half : half + 1]
    )
    return CaptureLoss(
        seen_bytes=int(seen[0]),
        lost_bytes=int(lost[half]),
        lost_syn=bool(table.lost_syn[half]),
    )


def _runs(segments_: Segments, table: HalfTable, halves: Column) -> Column:
    """Return from where to where each lane's segments are, shape (lanes, 2)."""
    edges = np.stack((table.bounds[:-1][halves], table.bounds[1:][halves]), axis=1)
    return np.asarray(np.searchsorted(segments_.position, edges))


def _ranges(segments_: Segments, chosen: Column, lanes: int, shifts: Column) -> ByteRanges:
    """Return the ranges of the streams that some segments cover, as their own end counts."""
    own = chosen[segments_.length[chosen] > 0]
    starts = segments_.start[own] - shifts[segments_.lane[own]]
    return ByteRanges(lanes, segments_.lane[own], starts, starts + segments_.length[own])
