"""Each direction of each subflow of one capture: its segments, and where they lie in the stream.

All of them are kept in one table, one after the other, so that what is asked of every segment is
asked once for the whole capture.  A `Half` is a view of its part of the table.

Places count from each end's own initial sequence number, so a path that adds a constant to
sequence numbers (a firewall that randomises them) changes nothing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.byte_ranges import ByteRanges
from mptcp_check.analysis.pairing.made_once import MadeOnce
from mptcp_check.model import Side

UNKNOWN: Final = -1
"""In `HalfTable.isn`: no SYN of this direction was captured."""
_UNWRAP_ABOVE_BYTES: Final = 1 << 30
"""Streams below this cannot wrap within half the sequence space: their places need no history."""
_SYN: Final = int(Flag.SYN)
_ACK: Final = int(Flag.ACK)
_RST: Final = int(Flag.RST)
_FIN: Final = int(Flag.FIN)


class HalfTable(MadeOnce):
    """The halves of one capture; a subflow's two directions stand beside each other.

    Half ``2 * n`` is what the opener of subflow ``n`` sent, half ``2 * n + 1`` what its listener
    sent.  'Position' is an index into `rows` and the columns beside it.

    Args:
        capture: Where the rows lie.
        side: At which end it was taken.
        rows: The segments of each half, each in the order of time.
        isns: Their initial sequence numbers; `UNKNOWN` where places count from the first segment.
    """

    def __init__(
        self, capture: Capture, side: Side, rows: Sequence[Column], isns: Sequence[int]
    ) -> None:
        self.capture, self.side = capture, side
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        self.bounds: Column = np.concatenate(([0], np.cumsum(lengths)))
        """int64: half ``n`` has the positions from ``bounds[n]`` up to ``bounds[n + 1]``."""
        self.rows: Column = np.concatenate(rows) if len(rows) else np.empty(0, np.int64)
        """int64: rows of ``capture.packets``."""
        self.isn: Column = np.array(isns, dtype=np.int64)
        self.half_of: Column = np.repeat(np.arange(len(rows)), lengths)
        """int64: the half of each position."""
        packets = capture.packets
        self.flags: Column = packets.flags[self.rows]
        self.payload_bytes: Column = packets.payload_bytes[self.rows].astype(np.int64)
        self.starts, self.origin = self._places()
        """int64: place of each segment's first byte; int64, one per half: the number before 0."""

    def __len__(self) -> int:
        """Return the count of halves."""
        return len(self.isn)

    @cached_property
    def position_of(self) -> Column:
        """int64, one per row of ``capture.packets``: its position, -1 if it is in no half."""
        found = np.full(len(self.capture.packets), UNKNOWN, np.int64)
        found[self.rows] = np.arange(len(self.rows))
        return found

    @cached_property
    def ends(self) -> Column:
        """int64: place after each segment's payload."""
        return np.asarray(self.starts + self.payload_bytes)

    @cached_property
    def time_ns(self) -> Column:
        """int64: when each segment was captured."""
        return np.asarray(self.capture.packets.time_ns[self.rows])

    @cached_property
    def acknowledged(self) -> Column:
        """int64: place in the other half's stream that each segment acknowledges; -1 without ACK.

        A SYN and a FIN take a number each: 0 acknowledges the SYN, the length plus 1 the FIN.
        """
        if len(self) % 2:  # a half by itself, of a test
            return np.full(len(self.rows), UNKNOWN, np.int64)
        peer = self.origin[self.half_of ^ 1]
        acks = self.capture.packets.ack[self.rows].astype(np.int64)
        relative = (acks - peer - 1).astype(np.uint32)
        places = relative.astype(np.int32).astype(np.int64)
        carries = (self.flags & _ACK) != 0
        for number in np.flatnonzero(self._is_long).tolist():
            part = self._slice(number ^ 1)
            if carries[part].any():
                places[part] = _unwrapped(relative[part], carries[part])
        return np.where(carries & (peer != UNKNOWN), places, UNKNOWN)

    @cached_property
    def captured(self) -> ByteRanges:
        """The ranges of each half's stream that the capture saw, whatever its snap length."""
        carriers = self.payload_bytes > 0
        return ByteRanges(
            len(self), self.half_of[carriers], self.starts[carriers], self.ends[carriers]
        )

    @cached_property
    def first_places(self) -> Column:
        """int64, one per half: where the stream begins as far as this capture can know."""
        return np.where(self.isn == UNKNOWN, self.captured.lowest, 0)

    @cached_property
    def reached(self) -> Column:
        """int64, one per half: the place up to which the sender had sent, by its own numbers.

        A later segment without payload carries the next number, so that it shows what was sent
        before; a RST may carry any.
        """
        sane = (self.flags & _RST) == 0
        return _highest(self.half_of[sane], self.ends[sane], len(self))

    @cached_property
    def confirmed(self) -> Column:
        """int64, one per half: how far the other half acknowledged it, in this same capture."""
        if len(self) % 2:
            return np.zeros(len(self), np.int64)
        sane = ((self.flags & (_ACK | _RST)) == _ACK) & (self.acknowledged >= 0)
        return _highest(self.half_of[sane] ^ 1, self.acknowledged[sane], len(self))

    @cached_property
    def loss_as_sender(self) -> Column:
        """int64, one per half: bytes that its host must have sent and this capture never saw."""
        return self.missing_before(np.maximum(self.reached, self.confirmed))

    @cached_property
    def loss_as_receiver(self) -> Column:
        """int64, one per half: bytes that the other host must have got and this capture missed."""
        return self.missing_before(self.confirmed)

    @cached_property
    def lost_syn(self) -> npt.NDArray[np.bool_]:
        """One per half: its SYN was not captured though the handshake went on."""
        answered = self.has_syn[np.arange(len(self)) ^ 1] if len(self) % 2 == 0 else self.has_syn
        listens = np.arange(len(self)) % 2 == 1
        spoke = np.zeros(len(self), np.bool_)
        spoke[self.half_of[(self.flags & (_SYN | _RST | _ACK)) == _ACK]] = True
        went_on = spoke[np.arange(len(self)) ^ 1] if len(self) % 2 == 0 else spoke
        return np.asarray(~self.has_syn & answered & (~listens | went_on))

    def missing_before(self, limit: Column) -> Column:
        """Return how many bytes before a place of each half's stream were not captured."""
        # a FIN takes one number behind the last byte: a hole of one there is no loss
        limit = np.where(limit == self.captured.highest + 1, self.captured.highest, limit)
        first = self.first_places
        every = np.arange(len(self))
        seen = self.captured.covered_bytes(every, first, limit)
        return np.asarray(np.maximum(limit - first, 0) - seen)

    @cached_property
    def has_syn(self) -> npt.NDArray[np.bool_]:
        """One per half: whether a SYN of it was captured."""
        found = np.zeros(len(self), np.bool_)
        found[self.half_of[(self.flags & _SYN) != 0]] = True
        return found

    @cached_property
    def halves(self) -> "tuple[Half, ...]":
        """All of them as views."""
        bounds, isns = self.bounds.tolist(), self.isn.tolist()
        return tuple(
            Half(
                side=self.side,
                capture=self.capture,
                rows=self.rows[bounds[number] : bounds[number + 1]],
                starts=self.starts[bounds[number] : bounds[number + 1]],
                isn=None if isns[number] == UNKNOWN else isns[number],
                table=self,
                number=number,
            )
            for number in range(len(self))
        )

    def _slice(self, number: int) -> slice:
        return slice(int(self.bounds[number]), int(self.bounds[number + 1]))

    def _places(self) -> tuple[Column, Column]:
        """Return the place of each segment, and the number before each half's first byte."""
        packets = self.capture.packets
        seq = packets.seq[self.rows].astype(np.int64)
        filled = self.bounds[1:] > self.bounds[:-1]
        origin = self.isn.copy()
        guessed = filled & (self.isn == UNKNOWN)
        origin[guessed] = (seq[self.bounds[:-1][guessed]] - 1) & 0xFFFF_FFFF
        # the SYN takes one number; payload in a SYN (RFC 7413) follows it
        syn = (self.flags & _SYN) != 0
        relative = (seq - origin[self.half_of] - 1 + syn).astype(np.uint32)
        starts = relative.astype(np.int32).astype(np.int64)
        sums = np.concatenate(([0], np.cumsum(self.payload_bytes)))[self.bounds]
        self._is_long = np.diff(sums) >= _UNWRAP_ABOVE_BYTES
        for number in np.flatnonzero(self._is_long).tolist():
            part = self._slice(number)
            starts[part] = _unwrapped(relative[part], self.payload_bytes[part] > 0)
        return starts, origin


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Half:
    """One direction of one subflow as one capture holds it, in the order of time."""

    side: Side
    capture: Capture
    rows: Column
    """int64: rows of ``capture.packets``, oldest first."""
    starts: Column
    """int64: place of each segment's first payload byte in the stream, from 0.

    Relative to the initial sequence number at this end, hence comparable between the ends though
    sequence numbers were rewritten.
    """
    isn: int | None
    """Initial sequence number at this end; none if no SYN of this direction was captured."""
    table: HalfTable
    """Where it lies beside all others of its capture."""
    number: int
    """Which half of the table it is."""

    @property
    def ends(self) -> Column:
        """int64: place after each segment's last payload byte."""
        return np.asarray(self.starts + self.capture.packets.payload_bytes[self.rows])

    def frame(self, row: int) -> int:
        """Return Wireshark's number of the frame of a row."""
        return int(self.capture.packets.frame[row])


def half(capture: Capture, side: Side, rows: Column, isn: int | None) -> Half:
    """Return a half by itself.

    Args:
        capture: Where the rows lie.
        side: At which end it was taken.
        rows: The segments of one direction of one subflow, in any order.
        isn: Their initial sequence number, if the SYN was captured; else places count from the
            first segment captured.
    """
    ordered = rows[np.argsort(capture.packets.time_ns[rows], kind="stable")]
    return HalfTable(capture, side, [ordered], [UNKNOWN if isn is None else isn]).halves[0]


def _highest(groups: Column, values: Column, count: int) -> Column:
    """Return the largest value of each group, 0 where there is none or it is below 0."""
    found = np.zeros(count, np.int64)
    np.maximum.at(found, groups, values)
    return found


def _unwrapped(relative: Column, trusted: Column) -> Column:
    """Return 64-bit places for 32-bit ones; only trusted segments move the reference."""
    carriers = np.flatnonzero(trusted)
    steps = np.diff(relative[carriers]).astype(np.int32).astype(np.int64)
    first = np.int64(relative[carriers[0]].astype(np.int32))
    places = first + np.concatenate(([0], np.cumsum(steps)))
    nearest = np.clip(
        np.searchsorted(carriers, np.arange(len(relative)), side="right") - 1, 0, None
    )
    distance = (relative - relative[carriers[nearest]]).astype(np.int32).astype(np.int64)
    return np.asarray(places[nearest] + distance)
