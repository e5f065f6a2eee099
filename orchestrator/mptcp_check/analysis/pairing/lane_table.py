"""All lanes of one direction of sending that both captures hold, and what became of each segment.

One table has the lanes that one machine sends on; its columns are made at the first use, for all
lanes at once.
"""

from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.octet_kernel import compare_octets
from mptcp_check.analysis.pairing.clock_matching import completed
from mptcp_check.analysis.pairing.clock_offset import ClockOffset
from mptcp_check.analysis.pairing.halves import UNKNOWN, HalfTable
from mptcp_check.analysis.pairing.lane_crossing import (
    CaptureLoss,
    LaneCrossing,
    MatchedBy,
    Origin,
)
from mptcp_check.analysis.pairing.made_once import MadeOnce
from mptcp_check.analysis.pairing.segment_matching import (
    Matches,
    Segments,
    left_over,
    match_segments,
    segments,
)
from mptcp_check.analysis.pairing.stream_drift import StreamDrift
from mptcp_check.analysis.pairing.uncrossed import Clocks, End, fates
from mptcp_check.model import Side

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
    """int64, one per lane: half of `here`; never decreases."""
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


class LaneTable(MadeOnce):
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
        self.here: HalfTable = shared.here
        """The halves of the sender's capture."""
        self.there: HalfTable = shared.there
        """The halves of the receiver's capture."""
        self._shared = shared
        self._clocks = None
        if clock is not None:
            least_ns = clock.least_difference_ns(shared.sender)
            self._clocks = Clocks(least_ns, clock.most_difference_ns(shared.sender))
        self._sent, self._received, self._first_matches = matching
        # segments are in the order of halves, so each lane has one run of them
        self._sent_runs = _runs(self._sent, shared.here, shared.sent)
        self._received_runs = _runs(self._received, shared.there, shared.received)

    def __len__(self) -> int:
        """Return the count of lanes."""
        return len(self._shared.sent)

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
    def crossed(self) -> Crossed:
        """All segments that crossed, however sure that is."""
        matches = self._matches
        return Crossed(
            self.here.rows[self._sent.position[matches.sent]],
            self.there.rows[self._received.position[matches.received]],
            self._sent.lane[matches.sent],
        )

    @cached_property
    def sure(self) -> Crossed:
        """The segments that may accuse: those whose match is at least `least`."""
        return self._chosen(self._strengths >= self.least[self.crossed.lane])

    @cached_property
    def agreeing(self) -> Crossed:
        """The segments of which every identifying field agrees at both ends."""
        return self._chosen(self._strengths == MatchedBy.FIELDS)

    def _chosen(self, chosen: npt.NDArray[np.bool_]) -> Crossed:
        return Crossed(*(column[chosen] for column in self.crossed))

    def crossing(self, lane: int) -> LaneCrossing:
        """Return what became of the segments of one lane."""
        here, there = slice(*self._sent_runs[lane]), slice(*self._received_runs[lane])
        own = slice(*self._crossed_runs[lane])
        return LaneCrossing(
            sent=self.crossed.sent[own],
            received=self.crossed.received[own],
            by=self._strengths[own],
            fates=self._fates[here],
            origins=self._origins[there],
            fate_bits=self._fate_bits[lane],
            origin_bits=self._origin_bits[lane],
            sent_rows=self._rows[0][here],
            received_rows=self._rows[1][there],
        )

    def drifts(self, lane: int) -> list[tuple[int, int]]:
        """Return where a lane's stream was resized: see `StreamDrift.steps`."""
        return self._drift.steps(lane)

    @cached_property
    def same_payload(self) -> npt.NDArray[np.bool_]:
        """One per crossed segment: whether its captured payload is the same at both ends."""
        near, far = self.here.capture.packets, self.there.capture.packets
        here, there, _ = self.crossed
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
    def _strengths(self) -> npt.NDArray[np.uint8]:
        """One per match: how sure it is.

        Where bare ACKs appear that nobody sent, any other bare ACK of the lane may be such a one.
        """
        matches, received = self._matches, self._received
        strangers = np.flatnonzero(self._origins == Origin.APPEARED)
        strangers = strangers[_is_bare(received, strangers)]
        counts = np.bincount(received.lane[strangers], minlength=len(self))
        doubtful = counts[self._sent.lane[matches.sent]] >= _LEAST_STRANGERS
        doubtful &= _is_bare(self._sent, matches.sent)
        return np.where(doubtful, np.minimum(matches.by, MatchedBy.TIME), matches.by).astype(
            np.uint8
        )

    @cached_property
    def _rows(self) -> tuple[Column, Column]:
        return self.here.rows[self._sent.position], self.there.rows[self._received.position]

    @cached_property
    def _drift(self) -> StreamDrift:
        return StreamDrift(self._sent, self._received, self._first_matches)

    @cached_property
    def _matches(self) -> Matches:
        least_ns = None if self._clocks is None else self._clocks.least_ns
        ends = self._sent, self._received
        return completed(ends, self._first_matches, self._drift, least_ns)

    @cached_property
    def _crossed_runs(self) -> list[tuple[int, int]]:
        edges = np.searchsorted(self._matches.sent, self._sent_runs)
        return _pairs(edges)

    @cached_property
    def _ends(self) -> tuple[End, End]:
        """What is asked about the segments that did not cross, at sender and receiver."""
        shared, matches = self._shared, self._matches
        left = left_over(matches, self._sent, self._received)
        return (
            End(
                at_sender=True,
                segments=self._sent,
                left=left[0],
                crossed=matches.sent,
                halves=shared.sent,
                shifts=np.zeros_like(shared.shifts),
                back_shifts=np.zeros_like(shared.back_shifts),
                runs=self._sent_runs,
            ),
            End(
                at_sender=False,
                segments=self._received,
                left=left[1],
                crossed=matches.received,
                halves=shared.received,
                shifts=shared.shifts,
                back_shifts=shared.back_shifts,
                runs=self._received_runs,
            ),
        )

    @cached_property
    def _fates(self) -> npt.NDArray[np.uint8]:
        here, there = self._ends
        return fates(here, there, self._drift, self._clocks)

    @cached_property
    def _origins(self) -> npt.NDArray[np.uint8]:
        here, there = self._ends
        return fates(there, here, self._drift, self._clocks)

    @cached_property
    def _fate_bits(self) -> list[int]:
        return _bits(len(self), self._sent.lane, self._fates)

    @cached_property
    def _origin_bits(self) -> list[int]:
        return _bits(len(self), self._received.lane, self._origins)


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


def _runs(segments_: Segments, table: HalfTable, halves: Column) -> list[tuple[int, int]]:
    """Return from where to where each lane's segments are."""
    edges = np.stack((table.bounds[:-1][halves], table.bounds[1:][halves]), axis=1)
    return _pairs(np.searchsorted(segments_.position, edges))


def _pairs(edges: Column) -> list[tuple[int, int]]:
    return [(low, high) for low, high in edges.tolist()]


def _is_bare(segments_: Segments, chosen: Column) -> npt.NDArray[np.bool_]:
    return np.asarray((segments_.length[chosen] == 0) & (segments_.kind[chosen] == 0))


def _bits(lanes: int, lane: Column, values: npt.NDArray[np.uint8]) -> list[int]:
    """Return for each lane which values its segments have: bit v for the value v."""
    found = np.zeros(lanes, np.int64)
    np.bitwise_or.at(found, lane, np.int64(1) << values)
    bits: list[int] = found.tolist()
    return bits
