"""Say of each sent segment what became of it, and at which place it was lost.

What the receiver's capture does not hold was lost on the way, or only by that capture: the
receiver's acknowledgements tell.  What it holds and the receiver never took was lost behind it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.one_way.coverage import NEVER, Acknowledged, captured
from mptcp_check.analysis.one_way.matching import Matches
from mptcp_check.analysis.one_way.segments import Segments
from mptcp_check.analysis.one_way.values import Fate
from mptcp_check.model import Side

SYN_PATIENCE_NS: Final = 500_000_000
"""A host that answers a SYN does so before; senders repeat it after 1 s (RFC 6298, section 2)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fates:
    """What became of every segment."""

    fate: Column
    """int8, per sent segment: `Fate`."""
    unsent: Column
    """bool, per arrival: only the receiver's capture holds it."""
    merged: Column
    """bool, per arrival: it holds bytes of `Fate.RESIZED` segments."""
    lossy: dict[Side, bool]
    """Whether a capture lost segments itself."""


def fates(
    sent: Segments, arrived: Segments, matches: Matches, captures: dict[Side, Capture]
) -> Fates:
    """Judge every segment.

    Args:
        sent: What the senders' captures hold.
        arrived: What the receivers' captures hold.
        matches: Which belongs to which.
        captures: Both.
    """
    by_receiver = Acknowledged(sent, arrived, captures)
    by_sender = Acknowledged(arrived, sent, captures)
    missing = matches.received < 0
    split, merged = _resized(sent, arrived, missing, matches.sent < 0)
    unsent = (matches.sent < 0) & ~merged
    arrival_ns = _first_arrival_ns(sent, arrived, matches)
    receiver_ns = by_receiver.first_ns(sent)
    acknowledged = np.minimum(receiver_ns, by_sender.first_ns(sent)) != NEVER
    outside = _outside(sent, arrived, matches, captures)
    copies = np.bincount(matches.group[missing], minlength=len(sent) + 1)[matches.group]

    # Acknowledged before any copy came to the capture, or without one: a copy was there unseen.
    came = arrival_ns != NEVER
    unseen = sent.elicits & acknowledged & ((receiver_ns < arrival_ns) | ~came)
    lone = unseen & (copies == 1)
    lossy = _lossy(sent, arrived, captures, missing & lone & ~outside & ~split, unsent)
    receiver_lossy = np.where(sent.at_server, lossy[Side.CLIENT], lossy[Side.SERVER])
    # A copy that came later, where none was acknowledged before, says that this one did not come.
    follows = sent.elicits & came & ~unseen & _later_copy_arrived(sent, matches)

    fate = np.full(len(sent), Fate.LOST, np.int8)
    fate[receiver_lossy & ~follows & ~(sent.elicits & ~came)] = Fate.UNKNOWN
    fate[unseen] = Fate.UNKNOWN
    fate[lone] = Fate.NOT_CAPTURED
    fate[outside & ~follows] = Fate.NOT_OBSERVED
    fate[split] = Fate.RESIZED
    fate[~missing] = Fate.ARRIVED
    fate[_not_taken(sent, arrived, matches, by_receiver)] = Fate.DROPPED_BY_HOST
    return Fates(fate=fate, unsent=unsent, merged=merged, lossy=lossy)


def _resized(
    sent: Segments, arrived: Segments, missing: Column, unmatched: Column
) -> tuple[Column, Column]:
    """Return which segments without a counterpart share bytes with such ones at the other end."""
    here, there = missing & (sent.length > 0), unmatched & (arrived.length > 0)
    split, merged = np.zeros(len(sent), np.bool_), np.zeros(len(arrived), np.bool_)
    split[here] = _overlaps(sent, here, arrived, there)
    merged[there] = _overlaps(arrived, there, sent, here)
    return split, merged


def _overlaps(own: Segments, chosen: Column, other: Segments, others: Column) -> Column:
    starts, ends = (edge[others] for edge in other.span)
    first, last = (edge[chosen] for edge in own.span)
    # so many begin before the last byte, so many of them end at or before the first: the rest is
    # there at the first byte or begins behind it
    begun = np.searchsorted(np.sort(starts), last, side="left")
    ended = np.searchsorted(np.sort(ends), first, side="right")
    return np.asarray(begun > ended)


def _first_arrival_ns(sent: Segments, arrived: Segments, matches: Matches) -> Column:
    """Return when any copy of a segment's bytes was first captured at the receiver, or `NEVER`."""
    start, end = sent.span
    by_bytes = captured(arrived).first_ns(start, end)
    by_copy = np.full(len(sent) + 1, NEVER)
    there = matches.received >= 0
    np.minimum.at(by_copy, matches.group[there], arrived.time_ns[matches.received[there]])
    return np.asarray(np.minimum(by_bytes, by_copy[matches.group]))


def _later_copy_arrived(sent: Segments, matches: Matches) -> Column:
    """Return whether a copy of the segment that was sent later arrived."""
    last = np.full(len(sent) + 1, -1, np.int64)
    there = np.flatnonzero(matches.received >= 0)
    np.maximum.at(last, matches.group[there], there)
    return np.asarray(last[matches.group] > np.arange(len(sent)))


def _outside(
    sent: Segments, arrived: Segments, matches: Matches, captures: dict[Side, Capture]
) -> Column:
    """Return which segments, with the least delay, came before or after the other capture's time.

    A capture's time is from its first frame to its last one: what begins or ends it is not known.
    """
    outside = np.zeros(len(sent), np.bool_)
    for side, capture in captures.items():
        own = sent.at_server == (side is Side.CLIENT)  # what went to this side
        there = own & (matches.received >= 0)
        times = capture.records.time_ns
        times = times[times > 0]
        if not there.any() or not len(times):
            continue
        least = (arrived.time_ns[matches.received[there]] - sent.time_ns[there]).min()
        due = sent.time_ns + least
        outside |= own & ((due < times.min()) | (due > times.max()))
    return outside


def _lossy(
    sent: Segments,
    arrived: Segments,
    captures: dict[Side, Capture],
    not_captured: Column,
    unsent: Column,
) -> dict[Side, bool]:
    """Say which capture lost segments: by its own count, or as the other one shows."""
    found = dict.fromkeys(Side, False)
    for side, capture in captures.items():
        counted = any(interface.dropped_count for interface in capture.interfaces)
        missed = not_captured & (sent.at_server == (side is Side.CLIENT))
        unseen = unsent & (arrived.length > 0) & (arrived.at_server == (side is Side.CLIENT))
        found[side] = bool(counted or missed.any() or unseen.any())
    return found


def _not_taken(sent: Segments, arrived: Segments, matches: Matches, acks: Acknowledged) -> Column:
    """Return which segments arrived and were not acknowledged before a later copy arrived.

    Only where the receiver said something in between, and by a SACK or the acknowledged number
    would have said that it took the segment.  A SYN is answered at once or not at all.
    """
    there = np.flatnonzero((matches.received >= 0) & sent.elicits)
    found = np.zeros(len(sent), np.bool_)
    order = there[np.lexsort((arrived.time_ns[matches.received[there]], matches.group[there]))]
    this, later = order[:-1], order[1:]
    again = matches.group[this] == matches.group[later]
    this, later = this[again], later[again]
    if not len(this):
        return found
    data = _taken(arrived, matches.received[this])
    next_ns = arrived.time_ns[matches.received[later]]
    covered_ns = acks.first_ns(data)
    told = acks.reached(data) | acks.selective(data)
    answered = acks.answered_between(data, data.time_ns, next_ns)
    silent = ((data.flags & Flag.SYN) != 0) & (next_ns - data.time_ns > SYN_PATIENCE_NS)
    found[this] = ((told & answered) | silent) & (covered_ns >= next_ns)
    return found


def _taken(segments: Segments, index: Column) -> Segments:
    return Segments(**{name: getattr(segments, name)[index] for name in Segments.__slots__})
