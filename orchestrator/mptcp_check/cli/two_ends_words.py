"""What two captures tell together, in sentences: what it means for the user first."""

from collections.abc import Iterator
from typing import Final

from mptcp_check.analysis.one_way.values import ClockEstimate, TwoEnds, WayMetrics
from mptcp_check.analysis.reporting.report_text import seconds
from mptcp_check.model import Direction, Side

WAYS: Final[dict[Direction, str]] = {
    Direction.C2S: "client to server",
    Direction.S2C: "server to client",
}


def overview(ends: TwoEnds) -> Iterator[tuple[str, str]]:
    """Yield a title and a sentence for what concerns all subflows."""
    yield "two ends", _subflows(ends)
    if ends.clock is None:
        yield "clock", "not estimated: no packet crossed in one of the directions"
    else:
        yield "clock", _clock(ends.clock)
    lossy = [str(side) for side in Side if ends.lossy[side]]
    if lossy:
        captures = " and ".join(f"the {side}'s" for side in lossy)
        yield (
            "captures",
            (f"{captures} lost packets; those are told apart where acknowledgements tell"),
        )


def way(metrics: WayMetrics) -> str:
    """Return what happened to one direction of a subflow."""
    return "; ".join(filter(None, (_losses(metrics), _delays(metrics), *_oddities(metrics))))


def _subflows(ends: TwoEnds) -> str:
    parts = [f"{_count(len(ends.subflows), 'subflow')} in both captures"]
    parts += [
        f"{count:,} only in the {side}'s" for side, count in ends.alone_count.items() if count
    ]
    if ends.proxied_count:
        parts.append(f"{ends.proxied_count:,} ended at a proxy in between")
    if ends.unaligned_count:
        parts.append(f"{ends.unaligned_count:,} began too early to be laid beside each other")
    return ", ".join(parts)


def _clock(clock: ClockEstimate) -> str:
    bounds = f"between {_ahead(clock.offset_low_ns)} and {_ahead(clock.offset_high_ns)}"
    text = f"the server's is {_ahead(clock.offset_ns)} ({bounds}); "
    if clock.drift_ppm is None or clock.drift_low_ppm is None or clock.drift_high_ppm is None:
        text += f"drift not estimated: {clock.not_estimated}"
    else:
        text += f"it drifts by {clock.drift_ppm:.3g} ppm"
        text += f" (between {clock.drift_low_ppm:.3g} and {clock.drift_high_ppm:.3g})"
        text += ", which is corrected" if clock.drift_applied_ppm else ", too little to correct"
    error_ns = (clock.offset_high_ns - clock.offset_low_ns + 1) // 2
    return (
        f"{text}. Delays take both directions for equally fast and may be wrong by "
        f"{seconds(error_ns)}; how they vary is not concerned"
    )


def _ahead(offset_ns: int) -> str:
    return f"{seconds(abs(offset_ns))} {'behind' if offset_ns < 0 else 'ahead'}"


def _losses(metrics: WayMetrics) -> str:
    known = metrics.lost_count + metrics.arrived_count
    if not known:
        return f"{_count(metrics.sent_count, 'packet')} sent, none can be followed"
    if not metrics.lost_count:
        return f"none of {_count(known, 'packet')} lost between the two capture points"
    text = f"{metrics.lost_count:,} of {_count(known, 'packet')} lost between the capture points"
    if metrics.loss_run_max_count > 1:
        text += f" (up to {metrics.loss_run_max_count:,} in a row)"
    if metrics.lost_again_count:
        text += f", {metrics.lost_again_count:,} of them retransmissions"
    return text


def _delays(metrics: WayMetrics) -> str:
    spread = metrics.variation
    if metrics.delay_min_ns is None or spread.p95_ns is None or spread.max_ns is None:
        return ""
    varies = f"varies by {seconds(spread.p95_ns)} (95 %), {seconds(spread.max_ns)} at most"
    if metrics.delay_error_ns is None:
        return f"delay {varies}"
    error = seconds(metrics.delay_error_ns)
    return f"delay from {seconds(metrics.delay_min_ns)} (± {error}), {varies}"


def _oddities(metrics: WayMetrics) -> Iterator[str]:
    """Yield what is not zero of the rest."""
    phrases = {
        "{} reordered": metrics.reordered_count,
        "{} doubled on the way": metrics.duplicate_count,
        "{} arrived but not taken by the host": metrics.dropped_by_host_count,
        "{} missed by the receiver's capture": metrics.not_captured_count,
        "{} missed by the sender's capture, or not of its making": metrics.unsent_count,
        "{} split or merged, so followed by their first byte only": metrics.resized_count,
        "{} bytes of these lost": metrics.resized_lost_bytes,
        "{} lost by the path or by the capture": metrics.unknown_count,
        "{} while the other capture did not run": metrics.not_observed_count,
    }
    for phrase, count in phrases.items():
        if count:
            yield phrase.format(f"{count:,}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
