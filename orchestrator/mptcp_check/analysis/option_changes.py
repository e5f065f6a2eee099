"""Judge by TCP options other than MPTCP of segments that surely are the same at both ends."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import KIND_MPTCP
from mptcp_check.analysis.field_changes import (
    ONE_CAPTURE,
    TWO_CONNECTIONS,
    direction_of,
    surely_one,
)
from mptcp_check.analysis.options.tcp_options import KIND_NAMES
from mptcp_check.analysis.pairing.crossed_headers import OptionsBeforeAfter, option
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.header_columns import option_places, options_whole
from mptcp_check.analysis.pairing.lane_table import LaneTable
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection, PairedSubflow
from mptcp_check.analysis.verdict import Verdict, counted, frames, receiver, sender
from mptcp_check.model import Finding

_PADDING: Final = frozenset({0, 1})
_EXPERIMENTS: Final = frozenset({253, 254})
"""RFC 4727: whoever uses them, no standard names what they mean."""
_OTHERS: Final = 31
"""The bit of ``option_kinds`` for every kind above 30."""

_Places = tuple[Column, Column]
"""Where each segment's option is and how long, -1 without one."""
Change = Callable[[int, OptionsBeforeAfter], Column]
"""Is given a kind and one lane's segments, and says which of them show the behaviour."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hit:
    """One kind of option that changed on one lane."""

    subflow: PairedSubflow
    lane: Lane
    kind: int
    rows: OptionsBeforeAfter
    changed: Column


def is_unknown(kind: int) -> bool:
    """Say whether no standard names this kind of option: not assigned, or for experiments."""
    return kind not in KIND_NAMES or kind in _EXPERIMENTS


def is_known(kind: int) -> bool:
    """Say whether a standard names it, and it is neither padding nor MPTCP."""
    return not is_unknown(kind) and kind not in _PADDING and kind != KIND_MPTCP


def removed(kind: int, rows: OptionsBeforeAfter) -> Column:  # noqa: ARG001 - a Change
    """Count segments that had the option and have it no more."""
    return np.asarray((rows.before_bytes >= 0) & (rows.after_bytes < 0))


def judge(
    verdict: Verdict,
    connection: PairedConnection,
    *,
    kinds: Callable[[int], bool],
    change: Change,
    nothing: str,
    verb: str,
) -> Finding:
    """Say whether options of some kinds were changed on the way.

    Args:
        verdict: The detector's voice.
        connection: At both ends, or at one.
        kinds: Which kinds count.
        change: What counts as the behaviour.
        nothing: Why nothing can be said where no such option was sent.
        verb: Completes 'the SACK option ... on its way'.

    Returns:
        ``SEEN`` with the first segment's frames and the measures ``option_kind``,
        ``segments_altered``, ``kinds_altered``; ``NOT_SEEN`` with ``segments_compared``.
    """
    if connection.one_sided:
        return verdict.not_measured(ONE_CAPTURE)
    lanes = connection.comparable_lanes
    if not lanes:
        return verdict.not_measured(TWO_CONNECTIONS)
    compared = 0
    suspects: list[tuple[PairedSubflow, Lane, int]] = []
    for subflow, lane in lanes:
        for kind, (sent, differ) in _options_of(lane).items():
            if kinds(kind):
                compared += sent
                if differ:
                    suspects.append((subflow, lane, kind))
    hits = [hit for suspect in suspects if (hit := _hit(*suspect, change)) is not None]
    if hits:
        return _seen(verdict, hits, verb)
    if not compared:
        return verdict.not_measured(nothing)
    return verdict.not_seen(
        f"as they were sent, in {counted(compared, 'option')} compared",
        measures={"options_compared": compared},
    )


def _hit(subflow: PairedSubflow, lane: Lane, kind: int, change: Change) -> _Hit | None:
    rows = option(lane, kind, least=surely_one(lane))
    changed = change(kind, rows)
    if not changed.any():
        return None
    return _Hit(subflow=subflow, lane=lane, kind=kind, rows=rows, changed=changed)


def _seen(verdict: Verdict, hits: list[_Hit], verb: str) -> Finding:
    first = hits[0]
    at = int(np.flatnonzero(first.changed)[0])
    altered = sum(int(hit.changed.sum()) for hit in hits)
    others = len({hit.kind for hit in hits}) - 1
    more = f", and {counted(others, 'other kind')}" if others else ""
    return verdict.seen(
        f"the {name(first.kind)} option{more} {verb} on the way from the {sender(first.lane)} to"
        f" the {receiver(first.lane)}, in {counted(altered, 'segment')}",
        subflow=first.subflow,
        direction=direction_of([hit.lane for hit in hits]),
        evidence=frames(
            (first.lane.sent, int(first.rows.sent[at])),
            (first.lane.received, int(first.rows.received[at])),
        ),
        measures={
            "option_kind": first.kind,
            "segments_altered": altered,
            "kinds_altered": others + 1,
        },
    )


def name(kind: int) -> str:
    """Return how people call a kind of option."""
    return KIND_NAMES.get(kind, f"kind {kind}")


def _options_of(lane: Lane) -> Mapping[int, tuple[int, int]]:
    """Return by kind how many of a lane's segments were sent with it, and how many differ."""
    if lane.table is None:
        return {}
    return lane.table.once(_counts).get(lane.number, {})


def _counts(table: LaneTable) -> Mapping[int, Mapping[int, tuple[int, int]]]:
    """Count options by lane and kind, for all lanes of a table at once."""
    sent, received, lane = table.sure
    here, there = table.here.position_of[sent], table.there.position_of[received]
    whole = table.here.once(options_whole)[here] & table.there.once(options_whole)[there]
    sent, lane, here, there = sent[whole], lane[whole], here[whole], there[whole]
    found: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for kind in _kinds(table.here, sent):
        before, after = option_places(table.here, kind), option_places(table.there, kind)
        near = before.offset[here], before.length[here]
        far = after.offset[there], after.length[there]
        carried = np.bincount(lane[near[1] >= 0], minlength=len(table))
        changed = np.bincount(lane[_differing(table, near, far)], minlength=len(table))
        for number in np.flatnonzero(carried).tolist():
            found[number][kind] = int(carried[number]), int(changed[number])
    return found


def _differing(table: LaneTable, near: _Places, far: _Places) -> Column:
    """Say of each segment whether an option is at one end only, or has other bytes."""
    differ = near[1] != far[1]
    for step in range(int(near[1].max(initial=0))):
        same = np.flatnonzero(~differ & (near[1] > step))
        here = table.here.capture.buffer[near[0][same] + step]
        differ[same] = here != table.there.capture.buffer[far[0][same] + step]
    return np.asarray(differ)


def _kinds(table: HalfTable, rows: Column) -> tuple[int, ...]:
    """Return the kinds of options, padding left out, that some segments carry."""
    packets = table.capture.packets
    bits = packets.option_kinds[rows]
    every = int(np.bitwise_or.reduce(bits)) if len(bits) else 0
    low = {kind for kind in range(2, _OTHERS) if every >> kind & 1}
    high = {
        octets[0]
        for row in rows[(bits >> _OTHERS & 1) != 0].tolist()
        for octets in walk(packets.option_bytes(row))
        if octets[0] >= _OTHERS
    }
    return tuple(sorted(low | high))


def walk(raw: bytes) -> Iterator[bytes]:
    """Yield each option of a list, kind and length included, padding left out.

    Ends at the end-of-list mark and at the first length that is wrong.
    """
    at = 0
    while at + 1 < len(raw) and raw[at] != 0:
        if raw[at] == 1:
            at += 1
            continue
        length = raw[at + 1]
        if length < 2 or at + length > len(raw):  # noqa: PLR2004 - kind and length themselves
            return
        yield raw[at : at + length]
        at += length
