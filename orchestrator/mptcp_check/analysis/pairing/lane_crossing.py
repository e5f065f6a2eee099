"""What became of each segment of one lane on the way: the values; `lane_table` finds them."""

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.halves import Half

NOWHERE: Final = -1
"""In a look-up of rows: the segment is not in the other capture."""


class MatchedBy(enum.IntEnum):
    """Why two captured segments are taken for one, the weakest reason first."""

    ORDER = 1
    """Several copies, nothing tells them apart: a guess that must not accuse anybody."""
    TIME = 2
    """The last copy sent before, by both clocks; or as many like ones here as there."""
    ALONE = 3
    """There was but one copy at both ends, or one field agrees and the other does not."""
    FIELDS = 4
    """Timestamp and IP identification agree, as far as there are any, and belong to one copy."""


class Fate(enum.IntEnum):
    """What became of a segment that was sent."""

    VANISHED = 0
    """Not in the receiver's capture, and nothing says that the host got it."""
    CROSSED = 1
    """It is one segment at the receiver."""
    RESEGMENTED = 2
    """All its bytes arrived, in segments cut otherwise."""
    CAPTURE_MAY_HAVE_LOST = 3
    """Not in the receiver's capture, which has holes there: it proves nothing about the path."""
    OUTSIDE = 4
    """Sent before the other capture began, or the other capture does not hold the flow at all."""
    SENT_AGAIN = 5
    """It did not arrive, its bytes did, in another copy: loss and retransmission."""
    AFTER_END = 6
    """Sent after the last frame of the other capture: vanished, or that capture had ended."""


class Origin(enum.IntEnum):
    """Where a segment that was received came from; numbered as `Fate`, its mirror image."""

    APPEARED = 0
    """The sender's capture does not show that the host sent it."""
    CROSSED = 1
    RESEGMENTED = 2
    """All its bytes were sent, in segments cut otherwise."""
    CAPTURE_MAY_HAVE_LOST = 3
    """Not in the sender's capture, which has holes there."""
    OUTSIDE = 4
    """Received before the other capture began, or that does not hold the flow at all."""
    EXTRA_COPY = 5
    """Its bytes were sent, but in another copy than this one, which crossed by itself."""
    AFTER_END = 6
    """Received after the last frame of the other capture: injected, or that capture had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureLoss:
    """What one capture did not see of one direction, though the captured host sent or got it."""

    seen_bytes: int
    """Distinct bytes of the stream that the capture saw, whatever its snap length."""
    lost_bytes: int
    """Distinct bytes that were acknowledged, or lie before what was sent, and were never seen."""
    lost_syn: bool
    """The handshake went on, and its SYN or SYN/ACK in this direction was not captured."""

    @property
    def any(self) -> bool:
        """Whether the capture lost anything that shows."""
        return self.lost_bytes > 0 or self.lost_syn


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneCrossing:
    """Every segment of one lane, at one end or at both."""

    sent: Column
    """int64: row of the sender's capture of each crossed segment, in the order of sending."""
    received: Column
    """int64: row of the receiver's capture of each crossed segment."""
    by: npt.NDArray[np.uint8]
    """`MatchedBy` of each crossed segment."""
    fates: npt.NDArray[np.uint8]
    """`Fate` of each row of ``lane.sent.rows``."""
    origins: npt.NDArray[np.uint8]
    """`Origin` of each row of ``lane.received.rows``."""
    fate_bits: int
    """Bit f is set if any segment has the fate f: the quick question first."""
    origin_bits: int
    """The same of `origins`."""
    sent_rows: Column
    """int64: ``lane.sent.rows``; empty where the half is missing."""
    received_rows: Column
    """int64: ``lane.received.rows``; empty where the half is missing."""

    @cached_property
    def vanished(self) -> Column:
        """int64: rows of the sender's capture that did not arrive, by all that is known."""
        return np.asarray(self.sent_rows[self.fates == Fate.VANISHED])

    @cached_property
    def appeared(self) -> Column:
        """int64: rows of the receiver's capture that the sending host did not send."""
        return np.asarray(self.received_rows[self.origins == Origin.APPEARED])

    @cached_property
    def at_sender(self) -> Column:
        """int64, one per row of ``lane.sent.rows``: the receiver's row, or `NOWHERE`."""
        return _look_up(self.sent_rows, self.sent, self.received)

    @cached_property
    def at_receiver(self) -> Column:
        """int64, one per row of ``lane.received.rows``: the sender's row, or `NOWHERE`."""
        return _look_up(self.received_rows, self.received, self.sent)

    def at_least(self, least: MatchedBy) -> tuple[Column, Column]:
        """Return (sent, received) of the matches that are at least so strong."""
        strong = self.by >= least
        return self.sent[strong], self.received[strong]


def one_sided(sent: Half | None, received: Half | None) -> LaneCrossing:
    """Return what is known of a lane that is not in both captures: nothing has crossed."""
    nothing = np.empty(0, np.int64)
    here, there = (nothing if half is None else half.rows for half in (sent, received))
    fate = Fate.OUTSIDE if received is None else Fate.VANISHED
    origin = Origin.OUTSIDE if sent is None else Origin.APPEARED
    return LaneCrossing(
        sent=nothing,
        received=nothing,
        by=nothing.astype(np.uint8),
        fates=np.full(len(here), fate, np.uint8),
        origins=np.full(len(there), origin, np.uint8),
        fate_bits=1 << fate if len(here) else 0,
        origin_bits=1 << origin if len(there) else 0,
        sent_rows=here,
        received_rows=there,
    )


def _look_up(rows: Column, known: Column, other: Column) -> Column:
    """Return what stands beside each row, `NOWHERE` for rows that are not known."""
    found = np.full(len(rows), NOWHERE, np.int64)
    order = np.argsort(rows, kind="stable")
    found[order[np.searchsorted(rows[order], known)]] = other
    return found
