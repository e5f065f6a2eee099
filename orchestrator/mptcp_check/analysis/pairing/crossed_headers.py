"""Header fields of the segments of one lane, before and after the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.halves import Half
from mptcp_check.analysis.pairing.header_columns import (
    ABSENT,
    header_column,
    option_places,
    options_whole,
)
from mptcp_check.analysis.pairing.paired import Lane, MatchedBy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeforeAfter:
    """One header field of crossed segments; all columns are of one length."""

    sent: Column
    """int64: rows of the sender's capture, in the order of sending."""
    received: Column
    """int64: rows of the receiver's capture."""
    before: Column
    """The field as it was sent."""
    after: Column
    """The field as it was received."""

    @property
    def differ(self) -> npt.NDArray[np.bool_]:
        """Where the two are not equal."""
        return np.asarray(self.before != self.after)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptionsBeforeAfter:
    """The first TCP option of one kind of crossed segments; all columns are of one length."""

    sent: Column
    """int64: rows of the sender's capture, in the order of sending."""
    received: Column
    """int64: rows of the receiver's capture."""
    before_bytes: Column
    """int64: length of the option as it was sent, -1 without one."""
    after_bytes: Column
    """int64: length of the option as it was received, -1 without one."""
    differ: npt.NDArray[np.bool_]
    """Where one has it and the other has not, or the bytes are not equal."""
    before: Callable[[int], bytes]
    """The option of one of the segments as it was sent, kind and length first; empty if absent."""
    after: Callable[[int], bytes]
    """The same as it was received."""


def column(
    lane: Lane,
    name: str,
    *,
    least: MatchedBy = MatchedBy.ALONE,
    flags: int = 0,
    mask: int = 0,
) -> BeforeAfter:
    """Return a header field of the segments that crossed.

    Args:
        lane: Whose; without two halves the answer is empty.
        name: A column of `Packets`, or one of `header_columns.DERIVED`.
        least: The weakest match to take.
        flags: With `mask`: only segments that were sent with these `Flag` bits under it.
        mask: 0 takes all segments.

    Raises:
        KeyError: There is no such field.
    """
    if lane.sent is None or lane.received is None:
        nothing = np.empty(0, np.int64)
        return BeforeAfter(sent=nothing, received=nothing, before=nothing, after=nothing)
    sent, received = _chosen(lane, lane.sent, least, flags, mask)
    return BeforeAfter(
        sent=sent,
        received=received,
        before=header_column(lane.sent.table, name, sent),
        after=header_column(lane.received.table, name, received),
    )


def option(
    lane: Lane,
    kind: int,
    *,
    least: MatchedBy = MatchedBy.ALONE,
    flags: int = 0,
    mask: int = 0,
) -> OptionsBeforeAfter:
    """Return the first TCP option of a kind of the segments that crossed.

    Segments of which a snap length cut the options at one of the ends are left out.

    Args:
        lane: Whose; without two halves the answer is empty.
        kind: Of the option, neither end of list (0) nor NOP (1).
        least: The weakest match to take.
        flags: With `mask`: only segments that were sent with these `Flag` bits under it.
        mask: 0 takes all segments.
    """
    if lane.sent is None or lane.received is None:
        rows = size = np.empty(0, np.int64)
        return OptionsBeforeAfter(
            sent=rows,
            received=rows,
            before_bytes=size,
            after_bytes=size,
            differ=size.astype(np.bool_),
            before=_none,
            after=_none,
        )
    sent, received = _chosen(lane, lane.sent, least, flags, mask)
    whole = _whole(lane.sent, sent) & _whole(lane.received, received)
    sent, received = sent[whole], received[whole]
    before_at, before_bytes = _places(lane.sent, kind, sent)
    after_at, after_bytes = _places(lane.received, kind, received)
    differ = before_bytes != after_bytes
    here, there = lane.sent.capture.buffer, lane.received.capture.buffer
    for step in range(int(before_bytes.max(initial=0))):
        same = np.flatnonzero(~differ & (before_bytes > step))
        differ[same] = here[before_at[same] + step] != there[after_at[same] + step]
    return OptionsBeforeAfter(
        sent=sent,
        received=received,
        before_bytes=before_bytes,
        after_bytes=after_bytes,
        differ=differ,
        before=_reader(lane.sent.capture, before_at, before_bytes),
        after=_reader(lane.received.capture, after_at, after_bytes),
    )


def _chosen(
    lane: Lane, half: Half, least: MatchedBy, flags: int, mask: int
) -> tuple[Column, Column]:
    sent, received = lane.crossing.at_least(least)
    if mask:
        wanted = (half.capture.packets.flags[sent] & mask) == flags
        return sent[wanted], received[wanted]
    return sent, received


def _places(half: Half, kind: int, rows: Column) -> tuple[Column, Column]:
    places = option_places(half.table, kind)
    positions = half.table.position_of[rows]
    return places.offset[positions], places.length[positions]


def _whole(half: Half, rows: Column) -> npt.NDArray[np.bool_]:
    return np.asarray(half.table.once(options_whole)[half.table.position_of[rows]])


def _none(_: int) -> bytes:
    return b""


def _reader(capture: Capture, at: Column, size: Column) -> Callable[[int], bytes]:
    def read(index: int) -> bytes:
        if int(size[index]) == ABSENT:
            return b""
        start = int(at[index])
        return capture.buffer[start : start + int(size[index])].tobytes()

    return read
