"""Find each segment of one capture in the other one, for all lanes at once.

Segments are told apart by what the path leaves alone, and nothing is left alone by every path.  So
they are matched in rounds: the first asks for all fields, each later one for fewer, and takes only
what the ones before left over.  In each round a group of like segments is matched if it has as
many members at one end as at the other.  A round is two sorts, so the cost is linear but for the
logarithm.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.lane_crossing import MatchedBy

_TIMESTAMPS_KIND: Final = 8
_KINDS: Final = int(Flag.SYN | Flag.FIN | Flag.RST)
_ABSENT: Final = -1
_SAMPLE_BYTES: Final = 8
_LEAST_CONTENT_BYTES: Final = 8
"""Shorter payloads say too little where the place in the stream does not agree."""
_PRIME: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_SHIFT: Final = np.uint64(29)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The segments of the shared lanes at one end, as far as they tell copies apart."""

    table: HalfTable
    position: Column
    """int64: position in the table."""
    lane: Column
    start: Column
    """int64: place in the stream, counted as the sender does."""
    length: Column
    kind: Column
    """SYN, FIN and RST of the flags."""
    ack: Column
    """int64: place in the other direction's stream, counted as the sender does."""
    stamp: Column
    """int64: TSval, -1 without one."""
    ip_id: Column
    """int64: IP identification, -1 where it is 0: RFC 6864, section 4.1, so writes who has none."""

    def __len__(self) -> int:
        """Return the count of segments."""
        return len(self.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What has to agree, and of which segments."""

    fields: tuple[str, ...]
    needs: tuple[str, ...] = ()
    """Fields that must be there."""
    bare: bool = True
    """Whether segments that take no place in the stream take part, such as pure ACKs."""
    content: bool = False
    """Whether the payload's ends must agree as well: only segments with payload take part."""
    empty: bool = False
    """Whether only segments without payload take part."""
    kind: int = 0
    """Only segments with one of these flags take part; 0 is no condition."""
    like: bool = True
    """Whether groups of several like segments are matched, in the order of time."""


_WHERE: Final = ("lane", "start", "length", "kind")
_ROUNDS: Final = (
    _Round(fields=(*_WHERE, "ack", "stamp", "ip_id")),
    _Round(fields=(*_WHERE, "ack", "stamp"), needs=("stamp",)),
    _Round(fields=(*_WHERE, "stamp", "ip_id"), needs=("stamp", "ip_id"), like=False),
    _Round(fields=(*_WHERE, "ip_id"), needs=("ip_id",), like=False),
    _Round(fields=(*_WHERE, "stamp"), needs=("stamp",), bare=False, like=False),
    _Round(fields=(*_WHERE, "ack")),
    _Round(fields=_WHERE, bare=False),
    # what an ACK acknowledges moves where the other direction's stream was resized
    _Round(fields=(*_WHERE, "stamp"), needs=("stamp",)),
    # the stream was resized, its rest has moved
    _Round(
        fields=("lane", "length", "kind", "stamp", "ip_id"),
        needs=("stamp", "ip_id"),
        content=True,
        like=False,
    ),
    _Round(fields=("lane", "length", "kind"), content=True, like=False),
    _Round(
        fields=("lane", "kind", "stamp", "ip_id"),
        needs=("stamp", "ip_id"),
        empty=True,
        like=False,
    ),
    _Round(fields=("lane", "kind", "stamp"), needs=("stamp",), empty=True),
    _Round(fields=("lane", "kind"), kind=int(Flag.FIN), like=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Pairs of segments, as indices into the two `Segments`."""

    sent: Column
    received: Column
    by: npt.NDArray[np.uint8]


def segments(table: HalfTable, halves: Column, shifts: Column, back_shifts: Column) -> Segments:
    """Return the segments of some halves.

    Args:
        table: Where the halves are.
        halves: int64: which half is in which lane: one per lane.
        shifts: int64, one per lane: what is added to places to count as the sender does.
        back_shifts: int64, one per lane: the same for places in the other direction's stream.
    """
    lane_of = np.full(len(table), _ABSENT, np.int64)
    lane_of[halves] = np.arange(len(halves))
    lane = lane_of[table.half_of]
    position = np.flatnonzero(lane != _ABSENT)
    lane = lane[position]
    rows = table.rows[position]
    packets = table.capture.packets
    stamped = (packets.option_kinds[rows] >> _TIMESTAMPS_KIND & 1) != 0
    ip_id = packets.ip_id[rows].astype(np.int64)
    ack = table.acknowledged[position]
    return Segments(
        table=table,
        position=position,
        lane=lane,
        start=table.starts[position] + shifts[lane],
        length=table.payload_bytes[position],
        kind=table.flags[position].astype(np.int64) & _KINDS,
        ack=np.where(ack == _ABSENT, _ABSENT, ack + back_shifts[lane]),
        stamp=np.where(stamped, packets.ts_value[rows].astype(np.int64), _ABSENT),
        ip_id=np.where(ip_id == 0, _ABSENT, ip_id),
    )


def match_segments(sent: Segments, received: Segments) -> Matches:
    """Match by what stays on the way, without a clock.

    What is left over has like ones that are not as many at both ends, or has no counterpart.
    """
    free = np.ones(len(sent), np.bool_), np.ones(len(received), np.bool_)
    found: list[tuple[Column, Column, npt.NDArray[np.bool_]]] = []
    for asked in _ROUNDS:
        here, there = (
            _taking_part(segments_, left, asked)
            for segments_, left in zip((sent, received), free, strict=True)
        )
        if not len(here) or not len(there):
            continue
        a, b, alone = _equal_groups(_hashes(sent, here, asked), _hashes(received, there, asked))
        if not asked.like:
            a, b, alone = a[alone], b[alone], alone[alone]
        free[0][here[a]] = False
        free[1][there[b]] = False
        found.append((here[a], there[b], alone))
    if not found:
        nothing = np.empty(0, np.int64)
        return Matches(sent=nothing, received=nothing, by=nothing.astype(np.uint8))
    a, b, alone = (np.concatenate(parts) for parts in zip(*found, strict=True))
    by = np.where(alone, int(MatchedBy.FIELDS), int(MatchedBy.TIME)).astype(np.uint8)
    return _judged(sent, received, Matches(sent=a, received=b, by=by))


def joined(sent: Segments, received: Segments, first: Matches, more: Matches) -> Matches:
    """Add matches that the clocks made to those that needed none."""
    parts = zip(
        (first.sent, first.received, first.by), (more.sent, more.received, more.by), strict=True
    )
    a, b, by = (np.concatenate(columns) for columns in parts)
    return _judged(sent, received, Matches(sent=a, received=b, by=by))


def moved(
    sent: Segments,
    received: Segments,
    chosen: tuple[Column, Column],
    places: tuple[Column, Column],
) -> Matches:
    """Match segments without payload whose stream was resized before them.

    Args:
        sent: All segments of the sender.
        received: All segments of the receiver.
        chosen: Those of either that nothing has matched yet.
        places: Where they should be, and are, in the receiver's stream.
    """
    ends = (sent, received)
    rest = [np.flatnonzero(s.length[c] == 0) for s, c in zip(ends, chosen, strict=True)]
    found: list[tuple[Column, Column, Column]] = []
    # where exactly the stream was edited is not known: a FIN or RST there may stand before or after
    for with_place in (True, False):
        names = []
        for s, c, at, kept in zip(ends, chosen, places, rest, strict=True):
            told = at[kept] if with_place else np.minimum(s.kind[c[kept]], 1)
            names.append(mixed([s.lane[c[kept]], s.kind[c[kept]], told]))
        if not all(map(len, names)):
            break
        a, b, alone = _equal_groups(*names)
        most = int(MatchedBy.ALONE) if with_place else int(MatchedBy.TIME)
        by = np.where(alone, most, int(MatchedBy.TIME))
        here, there = chosen[0][rest[0][a]], chosen[1][rest[1][b]]
        told_apart = with_place | (sent.kind[here] != 0)
        found.append((here[told_apart], there[told_apart], by[told_apart]))
        rest = [np.delete(kept, index) for kept, index in zip(rest, (a, b), strict=True)]
    if not found:
        nothing = np.empty(0, np.int64)
        return Matches(sent=nothing, received=nothing, by=nothing.astype(np.uint8))
    here, there, by = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Matches(sent=here, received=there, by=by.astype(np.uint8))


def _judged(sent: Segments, received: Segments, found: Matches) -> Matches:
    """Put matches in the order of sending, lower those that are doubtful or take them out."""
    order = np.argsort(found.sent, kind="stable")
    a, b = found.sent[order], found.received[order]
    by = _strength(sent, received, a, b, found.by[order])
    # two pure ACKs that nothing says are one may well be two; data at one place is the same data
    kept = (by > MatchedBy.ORDER) | (sent.length[a] > 0) | (sent.kind[a] != 0)
    return Matches(sent=a[kept], received=b[kept], by=by[kept])


def left_over(matches: Matches, sent: Segments, received: Segments) -> tuple[Column, Column]:
    """Return the segments at each end that no pair has."""
    free = np.ones(len(sent), np.bool_), np.ones(len(received), np.bool_)
    free[0][matches.sent], free[1][matches.received] = False, False
    return np.flatnonzero(free[0]), np.flatnonzero(free[1])


def groups_of(segments_: Segments, chosen: Column) -> Column:
    """Return a number per chosen segment, equal where segments are like each other."""
    return _hashes(segments_, chosen, _Round(fields=(*_WHERE, "ack")))


def _taking_part(segments_: Segments, left: npt.NDArray[np.bool_], asked: _Round) -> Column:
    wanted = left.copy()
    for name in asked.needs:
        wanted &= getattr(segments_, name) != _ABSENT
    if not asked.bare:
        wanted &= (segments_.length > 0) | (segments_.kind != 0)
    if asked.kind:
        wanted &= (segments_.kind & asked.kind) != 0
    if asked.content:
        wanted &= segments_.length >= _LEAST_CONTENT_BYTES
    if asked.empty:
        wanted &= segments_.length == 0
    return np.flatnonzero(wanted)


def _hashes(segments_: Segments, chosen: Column, asked: _Round) -> Column:
    columns = [getattr(segments_, name)[chosen] for name in asked.fields]
    if asked.content:
        columns += _payload_ends(segments_.table, segments_.position[chosen])
    return mixed(columns)


def mixed(columns: list[Column]) -> Column:
    """Return one 64-bit number per row: equal for equal rows, and hardly ever otherwise."""
    found = np.full(len(columns[0]), _PRIME, np.uint64)
    for column in columns:
        found = (found ^ column.astype(np.uint64)) * _PRIME
        found ^= found >> _SHIFT
    return found


def _payload_ends(table: HalfTable, positions: Column) -> list[Column]:
    """Return the first and the last captured bytes of payloads, as numbers."""
    packets = table.capture.packets
    rows = table.rows[positions]
    captured = packets.captured_bytes[rows].astype(np.int64)
    whole = captured >= _SAMPLE_BYTES
    first = packets.payload_offset[rows]
    last = first + captured - _SAMPLE_BYTES
    return [
        np.where(whole, bytes_at(table.capture.buffer, np.where(whole, place, 0)), captured)
        for place in (first, last)
    ]


def bytes_at(buffer: npt.NDArray[np.uint8], places: Column) -> Column:
    """Return the eight bytes at each place as a number; there must be as many."""
    window = buffer[np.add.outer(places, np.arange(_SAMPLE_BYTES))]
    return np.ascontiguousarray(window).view(np.uint64)[:, 0].astype(np.int64)


def _equal_groups(here: Column, there: Column) -> tuple[Column, Column, npt.NDArray[np.bool_]]:
    """Pair the members of groups that are as large here as there, in their order.

    Returns:
        Indices here, indices there, and whether the group has one member only.
    """
    order_a, first_a, count_a, name_a = _grouped(here)
    order_b, first_b, count_b, name_b = _grouped(there)
    at = np.searchsorted(name_b, name_a)
    at[at == len(name_b)] = 0
    same = np.flatnonzero((name_b[at] == name_a) & (count_b[at] == count_a))
    counts = count_a[same]
    inside = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    a = order_a[np.repeat(first_a[same], counts) + inside]
    b = order_b[np.repeat(first_b[at[same]], counts) + inside]
    return a, b, np.repeat(counts == 1, counts)


def _grouped(names: Column) -> tuple[Column, Column, Column, Column]:
    """Return (order, first place in it, members, name) of the groups of equal names."""
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    first = np.flatnonzero(begins)
    return order, first, np.diff(np.append(first, len(names))), ordered[first]


def _strength(
    sent: Segments,
    received: Segments,
    a: Column,
    b: Column,
    most: npt.NDArray[np.uint8],
) -> npt.NDArray[np.uint8]:
    """Say how well the fields of each pair agree; `most` is what its group allows.

    Where neither timestamp nor IP identification agrees, each capture may have lost the other's
    copy; but if they differ in all segments of the lane, the path writes them anew.
    """
    agrees = np.zeros(len(a), np.int64)
    known = np.zeros(len(a), np.int64)
    for name in ("stamp", "ip_id"):
        before, after = getattr(sent, name)[a], getattr(received, name)[b]
        both = (before != _ABSENT) & (after != _ABSENT)
        known += both
        agrees += both & (before == after)
    lanes = sent.lane[a]
    lane_count = int(lanes.max(initial=-1)) + 1
    agree_in_lane = np.bincount(lanes, weights=agrees, minlength=lane_count) > 0
    doubtful = (known > 0) & (agrees == 0) & agree_in_lane[lanes]
    by = np.where((known > 0) & (agrees == known), int(MatchedBy.FIELDS), int(MatchedBy.ALONE))
    by[doubtful] = MatchedBy.ORDER
    other = _identified_otherwise(sent, received, a, b)
    by[other] = np.minimum(by[other], MatchedBy.TIME)
    return np.minimum(by, most).astype(np.uint8)


def _identified_otherwise(
    sent: Segments, received: Segments, a: Column, b: Column
) -> npt.NDArray[np.bool_]:
    """Say of which pairs the two identifications differ though they stay in others of the lane.

    Only segments without payload are asked: one ACK for a place is like the next one, and where a
    box merges or drops some, or both captures lost some, the ones that are left look alone.
    """
    before, after = sent.ip_id[a], received.ip_id[b]
    known = (before != _ABSENT) & (after != _ABSENT)
    stays = np.bincount(sent.lane[a], weights=known & (before == after)) > 0
    return np.asarray(known & (before != after) & (sent.length[a] == 0) & stays[sent.lane[a]])
