"""Compare what a guest captured on one interface with what crossed its wire, frame for frame.

A guest whose offloads are on, whose capture started late or lost packets, or that talks over a
way nobody watches, gives captures that look fine and are not what was on the wire.  Both ends of
the comparison are sets of TCP frames with their multiplicity: the order of the two directions
against each other differs between the observers, and that is no disagreement.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mptcp_check.machines.wire_record import WireFrame, frame_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The result for one interface."""

    agrees: bool
    reason: str
    """One sentence: what differs, or how many frames agree."""
    captured_count: int
    """TCP frames in the guest's capture."""
    wire_count: int
    """TCP frames that crossed the port while it was recorded."""
    missing_count: int
    """Frames that crossed the wire while the capture ran and are not in it."""
    unexpected_count: int
    """Frames in the capture that never crossed the wire."""
    excused_count: int
    """Frames of the wire from before or after the capture ran that are not in it."""


def compare(
    captured: Iterable[bytes],
    wire: Sequence[WireFrame],
    *,
    interface: str,
    capture_started_ns: int = 0,
    stop_requested_ns: int | None = None,
    away: Sequence[tuple[int, int]] = (),
) -> Agreement:
    """Say whether a guest's capture and its wire hold the same TCP frames.

    Args:
        captured: Whole frames of the guest's capture of one interface, any order; frames that are
            not TCP are left out on both sides.
        wire: What the switch recorded at that interface's port, in order.
        interface: A name for the reason.
        capture_started_ns: Switch time from which on the capture surely ran; what crossed before
            may be missing.
        stop_requested_ns: Switch time at which the capture was asked to stop; what crossed from
            then on may be missing.  None if the capture outlasted the record.
        away: Switch times from and to which the interface was down on purpose; what crossed then
            may be missing, as nobody was there to capture it.

    Returns:
        The agreement.  Nothing excuses a frame that was captured and never crossed the wire.
    """
    left = Counter(d for frame in captured if (d := frame_digest(frame)) is not None)
    captured_count = left.total()
    missing: list[int] = []
    excused_count = 0
    # First the frames that must be there: of identical frames, those outside the capture's time
    # must not use up what those inside need.
    must = [
        _within(frame, capture_started_ns, stop_requested_ns)
        and not any(_within(frame, began_ns, ended_ns) for began_ns, ended_ns in away)
        for frame in wire
    ]
    for wanted in (True, False):
        for position, frame in enumerate(wire):
            if must[position] is not wanted:
                continue
            if left[frame.digest] > 0:
                left[frame.digest] -= 1
            elif wanted:
                missing.append(position)
            else:
                excused_count += 1
    unexpected_count = left.total()
    return Agreement(
        agrees=not missing and not unexpected_count,
        reason=_reason(interface, captured_count, wire, missing, unexpected_count),
        captured_count=captured_count,
        wire_count=len(wire),
        missing_count=len(missing),
        unexpected_count=unexpected_count,
        excused_count=excused_count,
    )


def _within(frame: WireFrame, started_ns: int, stopped_ns: int | None) -> bool:
    return started_ns <= frame.time_ns and (stopped_ns is None or frame.time_ns < stopped_ns)


def _reason(
    interface: str,
    captured_count: int,
    wire: Sequence[WireFrame],
    missing: Sequence[int],
    unexpected_count: int,
) -> str:
    if not missing and not unexpected_count:
        return f"{interface}: all {captured_count} TCP frames of the capture crossed the wire"
    parts = []
    if missing:
        first = wire[missing[0]]
        parts.append(
            f"{len(missing)} of {len(wire)} TCP frames on the wire are not in the capture "
            f"(the first is number {missing[0] + 1}, {first.direction})"
        )
    if unexpected_count:
        parts.append(
            f"{unexpected_count} of {captured_count} captured TCP frames never crossed the wire"
        )
    return f"{interface}: {'; '.join(parts)}"
