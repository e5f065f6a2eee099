"""Follow an MPTCP option through the steps of a handshake and say whether it was removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.mptcp_options import carries, find, option_bytes, padding_bytes
from mptcp_check.analysis.pairing.paired import Crossing, Crossings, Lane, MatchedBy, PairedSubflow
from mptcp_check.analysis.verdict import (
    CONFIDENCE,
    Verdict,
    chosen,
    counted,
    frames,
    receiver,
    sender,
)
from mptcp_check.model import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One segment of a handshake, with its retransmissions."""

    name: str
    """``SYN``, ``SYN/ACK``, ``third ACK``."""
    number: int
    """1, 2, 3."""
    subflow: PairedSubflow
    lane: Lane
    crossings: Crossings
    least: MatchedBy = MatchedBy.TIME
    """The weakest match of two segments that may show a removal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the option in the copies of one step."""

    step: Step
    offered: bool
    """Whether any copy was sent with the option, arrived or not."""
    kept: Crossing | None
    """The first copy that arrived with it."""
    removed: Crossing | None
    """The first copy that was sent with it, arrived without, and is surely one copy."""
    doubtful: bool
    """The same happened where nothing says that the two segments are one copy."""
    cut: bool
    """Whether a snap length cut the options of a copy that arrived."""


def fate(step: Step, subtype: Subtype) -> Fate:
    """Follow an option from the sender's capture to the receiver's."""
    sent, received = step.lane.sent, step.lane.received
    kept = removed = None
    offered = doubtful = cut = False
    if sent is not None:
        rows = step.crossings.at_sender.tolist()
        offered = any(carries(sent, row, subtype) for row in rows)
    for crossing in step.crossings.arrived:
        if sent is None or received is None or not carries(sent, crossing.sent, subtype):
            continue
        arrived = carries(received, crossing.received, subtype)
        if arrived is None:
            cut = True
        elif arrived:
            kept = kept or crossing
        elif crossing.by >= step.least:
            removed = removed or crossing
        else:
            doubtful = True
    return Fate(step=step, offered=offered, kept=kept, removed=removed, doubtful=doubtful, cut=cut)


def judge(verdict: Verdict, subtype: Subtype, steps: Sequence[Step]) -> Finding:
    """Say what became of an option at both ends.

    Args:
        verdict: The detector's voice.
        subtype: The option.
        steps: The segments that should carry it, the decisive one first.

    Returns:
        ``SEEN`` for the first step that lost it, ``NOT_SEEN`` if it arrived wherever it could be
        followed, else ``NOT_MEASURED`` with the reason.
    """
    name = subtype.name
    fates = [fate(step, subtype) for step in steps]
    lost = [f for f in fates if f.removed is not None]
    kept = [f for f in fates if f.kept is not None]
    if lost and not lost[0].step.subflow.is_one_connection:
        return verdict.not_measured(
            f"cannot tell: {verdict.behaviour}, or connection_proxied, as sequence numbers and"
            " timestamps differ between the two ends as well"
        )
    if lost:
        return _seen(verdict, subtype, lost)
    if kept:
        return _not_seen(verdict, name, kept)
    first = steps[0]
    return verdict.not_measured(
        chosen(
            (first.lane.sent is None, f"the {sender(first.lane)}'s capture does not hold it"),
            (
                not any(f.offered for f in fates),
                f"the {sender(first.lane)} sent no {first.name} with {name}",
            ),
            (
                first.lane.received is None,
                f"the {receiver(first.lane)}'s capture does not hold this connection",
            ),
            (any(f.cut for f in fates), f"the snap length cut the options of the {first.name}"),
            (
                any(f.doubtful for f in fates),
                f"cannot tell which {first.name} of those sent is the one that arrived",
            ),
            (True, f"no {first.name} with {name} reached the {receiver(first.lane)}"),
        )
    )


def _seen(verdict: Verdict, subtype: Subtype, lost: Sequence[Fate]) -> Finding:
    crossing, step = lost[0].removed, lost[0].step
    sent, received = step.lane.sent, step.lane.received
    if crossing is None or sent is None or received is None:
        raise ValueError("a removal is shown by a segment at both ends")
    measures = removal_measures(step.lane, crossing, subtype)
    return verdict.seen(
        f"the {step.name} left the {sender(step.lane)} with {subtype.name} (frame"
        f" {sent.frame(crossing.sent)}) and reached the {receiver(step.lane)} without it (frame"
        f" {received.frame(crossing.received)}): the option was {how_removed(measures)}",
        subflow=step.subflow,
        direction=step.lane.direction,
        evidence=frames((sent, crossing.sent), (received, crossing.received)),
        confidence=CONFIDENCE[crossing.by],
        measures={
            **measures,
            "handshake_step": step.number,
            "subflows_count": len({f.step.subflow.id for f in lost}),
        },
    )


def _not_seen(verdict: Verdict, name: str, kept: Sequence[Fate]) -> Finding:
    crossing, step = kept[0].kept, kept[0].step
    if crossing is None:
        raise ValueError("an option is kept by a segment at both ends")
    return verdict.not_seen(
        f"{name} arrived as it was sent, in {counted(len(kept), 'segment')}",
        subflow=step.subflow,
        direction=step.lane.direction,
        evidence=frames((step.lane.sent, crossing.sent), (step.lane.received, crossing.received)),
    )


def removal_measures(lane: Lane, crossing: Crossing, subtype: Subtype) -> Mapping[str, int]:
    """Return how an option was removed: its length, and what fills its place.

    ``nop_bytes`` as large as ``option_bytes`` is an option overwritten with NOPs, as netfilter
    does it; a shorter option list is an option deleted; ``end_of_list_bytes`` is a list ended
    where the option was.
    """
    if lane.sent is None or lane.received is None:
        return {}
    index = find(lane.sent, crossing.sent, subtype)
    before = option_bytes(lane.sent.capture, crossing.sent)
    after = option_bytes(lane.received.capture, crossing.received)
    nops_before, ended_before = padding_bytes(before)
    nops_after, ended_after = padding_bytes(after)
    length = 0 if index is None else int(lane.sent.capture.packets.signals.length[index])
    return {
        "option_bytes": length,
        "nop_bytes": max(0, nops_after - nops_before),
        "end_of_list_bytes": max(0, ended_after - ended_before),
        "options_sent_bytes": len(before),
        "options_received_bytes": len(after),
    }


def how_removed(measures: Mapping[str, int]) -> str:
    """Say in words how an option was removed."""
    option = measures.get("option_bytes", 0)
    return chosen(
        (measures.get("nop_bytes", 0) >= option > 0, "overwritten with NOPs"),
        (
            measures.get("options_received_bytes", 0) < measures.get("options_sent_bytes", 0),
            "deleted, the header is shorter",
        ),
        (measures.get("end_of_list_bytes", 0) > 0, "cut off by an end-of-list mark"),
        (True, "replaced by something else"),
    )
