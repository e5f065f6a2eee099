"""Match the few copies of one handshake segment between the two ends, one by one.

`segment_matching` does it for all segments at once; here the handshake's own rules stand, as it is
what most is decided by: a SYN has few copies, and each may have other options.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.clock_offset import ClockOffset
from mptcp_check.analysis.pairing.halves import Half, HalfTable
from mptcp_check.analysis.pairing.lane_crossing import MatchedBy

_FIRST_ACKS: Final = 32
"""Bare ACKs looked at for the third one: it is the first, or one of its retransmissions."""
_SYN: Final = int(Flag.SYN)
_ACK: Final = int(Flag.ACK)
_BARE_NOT: Final = int(Flag.FIN | Flag.RST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One segment at both ends: rows of the sender's and of the receiver's capture."""

    sent: int
    received: int
    by: MatchedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """What became of some segments of one lane on the way."""

    arrived: tuple[Crossing, ...] = ()
    """In the order of sending."""
    vanished: tuple[int, ...] = ()
    """Rows of the sender's capture without a counterpart."""
    appeared: tuple[int, ...] = ()
    """Rows of the receiver's capture without a counterpart."""

    @property
    def at_sender(self) -> Column:
        """All rows of the sender's capture, in no particular order."""
        return np.array([*(c.sent for c in self.arrived), *self.vanished], dtype=np.int64)

    @property
    def at_receiver(self) -> Column:
        """All rows of the receiver's capture, in no particular order."""
        return np.array([*(c.received for c in self.arrived), *self.appeared], dtype=np.int64)


class BothEnds(Protocol):
    """What a lane has."""

    @property
    def sent(self) -> Half | None:
        """The sender's half."""

    @property
    def received(self) -> Half | None:
        """The receiver's half."""


def cross_step(lane: BothEnds, step: int, clock: ClockOffset | None) -> Crossings:
    """Match the copies of one step of the handshake: SYN, SYN/ACK, or the first bare ACKs.

    Args:
        lane: The lane that the step is sent on.
        step: `Flag.SYN`, ``Flag.SYN | Flag.ACK`` or `Flag.ACK`.
        clock: Bounds of the clocks' difference, if known.
    """
    chosen = [
        [] if half is None else step_rows(half, int(step)) for half in (lane.sent, lane.received)
    ]
    return cross(lane, chosen[0], chosen[1], clock)


def step_rows(half: Half, step: int) -> list[int]:
    """Return the rows of one step of the handshake; of bare ACKs only the first ones."""
    rows, bounds = half.table.once(_STEPS[step])
    low, high = bounds[half.number], bounds[half.number + 1]
    return rows[low : min(high, low + _FIRST_ACKS) if step == _ACK else high]


class _StepRows(NamedTuple):
    """The rows of one step of every handshake of a capture."""

    rows: list[int]
    bounds: list[int]
    """Half n has the rows from ``bounds[n]`` up to ``bounds[n + 1]``."""


def _syn_rows(table: HalfTable) -> _StepRows:
    return _rows_at(table, (table.flags & (_SYN | _ACK)) == _SYN)


def _synack_rows(table: HalfTable) -> _StepRows:
    return _rows_at(table, (table.flags & (_SYN | _ACK)) == _SYN | _ACK)


def _ack_rows(table: HalfTable) -> _StepRows:
    acks = (table.flags & (_SYN | _ACK | _BARE_NOT)) == _ACK
    return _rows_at(table, acks & (table.payload_bytes == 0) & (table.starts == 0))


def _rows_at(table: HalfTable, wanted: Column) -> _StepRows:
    places = np.flatnonzero(wanted)
    return _StepRows(
        rows=table.rows[places].tolist(),
        bounds=np.searchsorted(places, table.bounds).tolist(),
    )


_STEPS: Final = {_SYN: _syn_rows, _SYN | _ACK: _synack_rows, _ACK: _ack_rows}


def cross(
    lane: BothEnds, sent: Iterable[int], received: Iterable[int], clock: ClockOffset | None
) -> Crossings:
    """Match copies of one segment (a SYN and its retransmissions) between the two ends.

    Fields that stay on most paths come first, each only where its value belongs to one copy at
    both ends: a retransmitted SYN has another timestamp (RFC 7323, section 4.1; in Linux the unit
    is a millisecond) and another IP identification.  What was rewritten is matched by time.

    Args:
        lane: Where the rows lie; both halves, or everything vanished or appeared.
        sent: Rows of the sender's capture, oldest first.
        received: Rows of the receiver's capture, oldest first.
        clock: Bounds of the clocks' difference, if known.
    """
    if lane.sent is None or lane.received is None:
        return Crossings(vanished=tuple(sent), appeared=tuple(received))
    here, there = list(sent), list(received)
    if len(here) == 1 and len(there) == 1:
        by = _agreement(lane.sent.capture, here[0], lane.received.capture, there[0])
        return Crossings(arrived=(Crossing(sent=here[0], received=there[0], by=by),))
    place = {row: position for position, row in enumerate(here)}
    arrived: list[Crossing] = []
    for fields in (_stamp_and_id, _stamp, _ip_id):
        for a, b in _unique_matches(lane.sent.capture, here, lane.received.capture, there, fields):
            by = _agreement(lane.sent.capture, a, lane.received.capture, b)
            arrived.append(Crossing(sent=a, received=b, by=by))
        here = _without(here, (c.sent for c in arrived))
        there = _without(there, (c.received for c in arrived))
    rest = (
        _by_order(here, there)
        if clock is None
        else _by_time(lane.sent, here, lane.received, there, clock)
    )
    arrived += rest
    arrived.sort(key=lambda c: place[c.sent])
    return Crossings(
        arrived=tuple(arrived),
        vanished=tuple(_without(here, (c.sent for c in rest))),
        appeared=tuple(_without(there, (c.received for c in rest))),
    )


def _stamp_and_id(capture: Capture, row: int) -> Hashable | None:
    stamp, ip_id = _stamp(capture, row), _ip_id(capture, row)
    return None if stamp is None or ip_id is None else (stamp, ip_id)


def _stamp(capture: Capture, row: int) -> Hashable | None:
    has_stamp = int(capture.packets.option_kinds[row]) & 1 << 8
    return int(capture.packets.ts_value[row]) if has_stamp else None


def _ip_id(capture: Capture, row: int) -> Hashable | None:
    # 0 is what a sender writes that does not use the field (RFC 6864, section 4.1)
    return int(capture.packets.ip_id[row]) or None


def _agreement(near: Capture, here: int, far: Capture, there: int) -> MatchedBy:
    """Say how well two segments agree that are the only candidates for each other.

    Where both fields differ, each capture may have lost the other's copy.
    """
    pairs = [(fields(near, here), fields(far, there)) for fields in (_stamp, _ip_id)]
    known = [a == b for a, b in pairs if a is not None and b is not None]
    if known and all(known):
        return MatchedBy.FIELDS
    return MatchedBy.ORDER if len(known) == len(pairs) and not any(known) else MatchedBy.ALONE


def _unique_matches(
    near: Capture,
    here: Sequence[int],
    far: Capture,
    there: Sequence[int],
    fields: Callable[[Capture, int], Hashable | None],
) -> list[tuple[int, int]]:
    keys_here = [fields(near, row) for row in here]
    keys_there = [fields(far, row) for row in there]
    once_here, once_there = Counter(keys_here), Counter(keys_there)
    found = {key: row for key, row in zip(keys_there, there, strict=True) if once_there[key] == 1}
    return [
        (row, found[key])
        for key, row in zip(keys_here, here, strict=True)
        if key is not None and once_here[key] == 1 and key in found
    ]


def _by_time(
    near: Half, here: Sequence[int], far: Half, there: Sequence[int], clock: ClockOffset
) -> list[Crossing]:
    """Give each received copy the last one that was sent before it and is still free."""
    matched: list[Crossing] = []
    free: list[int] = []
    waiting = iter(here)
    upcoming = next(waiting, None)
    for row in there:
        received_ns = int(far.capture.packets.time_ns[row])
        while upcoming is not None and clock.sent_before(
            int(near.capture.packets.time_ns[upcoming]), near.side, received_ns
        ):
            free.append(upcoming)
            upcoming = next(waiting, None)
        if free:
            matched.append(Crossing(sent=free.pop(), received=row, by=MatchedBy.TIME))
    return matched


def _by_order(here: Sequence[int], there: Sequence[int]) -> list[Crossing]:
    return [
        Crossing(sent=a, received=b, by=MatchedBy.ORDER) for a, b in zip(here, there, strict=False)
    ]


def _without(rows: Sequence[int], taken: Iterable[int]) -> list[int]:
    gone = set(taken)
    return [row for row in rows if row not in gone]
