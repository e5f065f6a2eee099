"""Lay what two captures hold of one lane beside each other: places in the stream, and segments.

Sequence numbers count from each end's own initial sequence number, so a path that adds a constant
to them (a firewall that randomises ISNs) changes nothing here.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.paired import (
    ClockOffset,
    Crossing,
    Crossings,
    Half,
    Lane,
    MatchedBy,
)
from mptcp_check.model import Side

_UNWRAP_ABOVE_BYTES = 1 << 30
"""Streams below this cannot wrap within half the sequence space: their places need no history."""


def half(capture: Capture, side: Side, rows: Column, isn: int | None) -> Half:
    """Order the rows by time and place each segment in the stream.

    Args:
        capture: Where the rows lie.
        side: At which end it was taken.
        rows: The segments of one direction of one subflow.
        isn: Their initial sequence number, if the SYN was captured; else places count from the
            first segment captured.
    """
    packets = capture.packets
    ordered = rows[np.argsort(packets.time_ns[rows], kind="stable")]
    if not len(ordered):
        return Half(side=side, capture=capture, rows=ordered, starts=ordered, isn=isn)
    syn = (packets.flags[ordered] & Flag.SYN) != 0
    base = int(packets.seq[ordered[0]]) - 1 if isn is None else isn
    # the SYN takes one number; payload in a SYN (RFC 7413) follows it
    relative = (packets.seq[ordered].astype(np.int64) - base - 1 + syn).astype(np.uint32)
    payload = packets.payload_bytes[ordered]
    if int(payload.sum()) < _UNWRAP_ABOVE_BYTES:
        starts = relative.astype(np.int32).astype(np.int64)
    else:
        starts = _unwrapped(relative, payload > 0)
    return Half(side=side, capture=capture, rows=ordered, starts=starts, isn=isn)


def _unwrapped(relative: Column, trusted: Column) -> Column:
    """Return 64-bit places for 32-bit ones; only segments with payload move the reference."""
    carriers = np.flatnonzero(trusted)
    steps = np.diff(relative[carriers]).astype(np.int32).astype(np.int64)
    first = np.int64(relative[carriers[0]].astype(np.int32))
    places = first + np.concatenate(([0], np.cumsum(steps)))
    nearest = np.clip(
        np.searchsorted(carriers, np.arange(len(relative)), side="right") - 1, 0, None
    )
    distance = (relative - relative[carriers[nearest]]).astype(np.int32).astype(np.int64)
    return np.asarray(places[nearest] + distance)


def cross(
    lane: Lane, sent: Iterable[int], received: Iterable[int], clock: ClockOffset | None
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
