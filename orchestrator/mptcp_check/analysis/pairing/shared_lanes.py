"""The lanes that both captures hold: matched segment by segment, with the clocks' difference."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.byte_stream import shift_between
from mptcp_check.analysis.pairing.halves import Half
from mptcp_check.analysis.pairing.lane_crossing import MatchedBy
from mptcp_check.analysis.pairing.lane_table import LaneTable, Shared, table_of
from mptcp_check.analysis.pairing.paired import OTHER_SIDE, Lane
from mptcp_check.analysis.pairing.segment_matching import Matches, Segments
from mptcp_check.analysis.pairing.vantage import clock_offset
from mptcp_check.model import Direction, Side

_SYN: Final = int(Flag.SYN)
_ACK: Final = int(Flag.ACK)
_HALF_SPACE: Final = 1 << 31


class LaneSpot(NamedTuple):
    """A lane in both captures."""

    sender: Side
    sent: Half
    received: Half
    genuine: bool
    """Whether both ends see one TCP connection, as far as is known, and not two of a proxy."""


class SharedLanes:
    """All lanes in both captures, in one table for each machine that sends on them.

    Args:
        spots: The lanes; each half is in one of them at most.
    """

    def __init__(self, spots: Iterable[LaneSpot]) -> None:
        by_sender: dict[Side, list[LaneSpot]] = {side: [] for side in Side}
        self._number: dict[tuple[Side, int], int] = {}
        self._shift: dict[tuple[Side, int], int | None] = {}
        """By receiving side and the number of the half that it received."""
        # in the order of the sender's halves, so that the segments of each lane follow each other
        for spot in sorted(spots, key=lambda spot: spot.sent.number):
            self._number[spot.sender, spot.sent.number] = len(by_sender[spot.sender])
            by_sender[spot.sender].append(spot)
            self._shift[OTHER_SIDE[spot.sender], spot.received.number] = base_shift(
                spot.sent, spot.received
            )
        shared = {s: self._shared(s, own) for s, own in by_sender.items() if own}
        matching = {side: table_of(own) for side, own in shared.items()}
        self.clock = clock_offset(
            (side, _differences_ns(*found, _genuine(by_sender[side])))
            for side, found in matching.items()
        )
        """Bounds of the clocks' difference, from the handshakes."""
        self._tables = {
            side: LaneTable(own, matching[side], self.clock) for side, own in shared.items()
        }

    def lane(self, direction: Direction, sender: Side, halves: Mapping[Side, Half]) -> Lane:
        """Return a lane as a value.

        Args:
            direction: Seen from the connection's client.
            sender: Who sends on it.
            halves: What each capture holds of it.
        """
        sent, received = halves.get(sender), halves.get(OTHER_SIDE[sender])
        if sent is None or received is None:
            return Lane(direction=direction, sender=sender, sent=sent, received=received)
        return Lane(
            direction=direction,
            sender=sender,
            sent=sent,
            received=received,
            table=self._tables[sender],
            number=self._number[sender, sent.number],
            shift=self._shift[received.side, received.number],
        )

    def _shared(self, sender: Side, spots: list[LaneSpot]) -> Shared:
        receiver = OTHER_SIDE[sender]
        received = [spot.received.number for spot in spots]
        # the answers to a lane are the halves beside its own, sent the other way
        back = [self._shift.get((sender, spot.sent.number ^ 1)) for spot in spots]
        return Shared(
            sender=sender,
            here=spots[0].sent.table,
            there=spots[0].received.table,
            sent=np.array([spot.sent.number for spot in spots], dtype=np.int64),
            received=np.array(received, dtype=np.int64),
            shifts=np.array([self._shift[receiver, n] or 0 for n in received], dtype=np.int64),
            back_shifts=-np.array([shift or 0 for shift in back], dtype=np.int64),
        )


def base_shift(sent: Half, received: Half) -> int | None:
    """Return what to add to the receiver's places to make them the sender's.

    0 where both ends captured a SYN.  Else payload that occurs once says it, and without payload
    the sequence numbers, if they are near each other.

    Returns:
        None where nothing tells.
    """
    if sent.isn is not None and received.isn is not None:
        return 0
    if not len(sent.rows) or not len(received.rows):
        return None
    shift = shift_between(sent, received)
    if shift is not None:
        return shift
    origins = [int(half.table.origin[half.number]) for half in (sent, received)]
    absolute = (origins[1] - origins[0] + _HALF_SPACE) % (2 * _HALF_SPACE) - _HALF_SPACE
    low, high = int(sent.starts.min()), int(sent.ends.max())
    meets = (
        low <= int(received.ends.max()) + absolute and int(received.starts.min()) + absolute <= high
    )
    return absolute if meets else None


def _genuine(spots: list[LaneSpot]) -> Column:
    return np.array([spot.genuine for spot in spots], dtype=np.bool_)


def _differences_ns(
    sent: Segments, received: Segments, matches: Matches, genuine: Column
) -> Column:
    """Return by how much the receiver's clock is ahead of the sender's, by sure segments.

    The handshakes are enough.  A proxy answers a SYN before it was sent on, so where no handshake
    is known to be one, data is taken: no proxy has it before it was sent.
    """
    flags = sent.table.flags[sent.position]
    by_opener = sent.table.half_of[sent.position] % 2 == 0
    bare = by_opener & (sent.length == 0) & (sent.kind == 0) & (sent.start == 0)
    early = ((flags & _SYN) != 0) | (bare & ((flags & _ACK) != 0))
    sure = matches.by >= MatchedBy.ALONE
    kept = sure & (early & genuine[sent.lane])[matches.sent]
    if not kept.any():
        kept = sure & (sent.length > 0)[matches.sent]
    a, b = matches.sent[kept], matches.received[kept]
    there = received.table.time_ns[received.position[b]]
    return np.asarray(there - sent.table.time_ns[sent.position[a]])
