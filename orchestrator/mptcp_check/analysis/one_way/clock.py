"""How the server's clock stands against the client's, by the least delays of both directions.

Every segment arrives after it was sent, so each bounds the offset at its time from one side.  Drawn
over time, segments to the server lie above the line that the offset follows, those to the client
below it (with their sign turned); the convex hulls of both are all that counts.  Moon, Skelly and
Towsley, "Estimation and removal of clock skew from network delay measurements" (INFOCOM 1999),
and Paxson, "On calibrating measurements of packet transit times" (SIGMETRICS 1998), who compares
the two directions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.one_way.crossing_kernel import lower_hull
from mptcp_check.analysis.one_way.values import ClockEstimate

MIN_SPAN_NS: Final = 5_000_000_000
"""Shorter captures say nothing of the drift: a microsecond of jitter is 0.2 ppm over 5 s."""
MIN_SEGMENTS: Final = 16
"""In each direction."""
WINDOWS: Final = 8
"""Parts of the time whose least delays show how far the line may be turned."""
_MOST_PPM: Final = 1_000.0
"""Crystals are within 100 ppm, Linux slews by 500 ppm at most (adjtimex(2))."""
_HALVINGS: Final = 80
_RESOLUTION_NS: Final = 2_000
"""What classic captures round, microseconds, in both directions together."""
_MILLION: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """One direction's segments as bounds of the offset, in float64 from a common origin."""

    time_ns: Column
    """By the client's clock, from the reference time, never decreasing."""
    above_ns: Column
    """How far the bound lies above (to the server) or, turned, below (to the client) the origin."""

    def hull(self) -> "Bounds":
        """Return the corners of the convex hull below."""
        chosen = np.zeros(len(self.time_ns), np.int64)
        count = lower_hull(self.time_ns, self.above_ns, chosen)
        corners = chosen[:count]
        return Bounds(time_ns=self.time_ns[corners], above_ns=self.above_ns[corners])

    def least(self, slope: float) -> float:
        """Return how high a line of this slope can be raised, at the reference time."""
        return float((self.above_ns - slope * self.time_ns).min())


def estimate(sent_ns: Column, received_ns: Column, by_server: Column) -> ClockEstimate | None:
    """Estimate the server's clock against the client's.

    Args:
        sent_ns: int64, by the sender's clock, of segments whose arrival is beyond doubt.
        received_ns: int64, by the receiver's clock.
        by_server: bool: the server machine sent it.

    Returns:
        None without a segment in each direction.
    """
    if not by_server.any() or by_server.all():
        return None
    client_ns = np.where(by_server, received_ns, sent_ns)
    first, last = int(client_ns.min()), int(client_ns.max())
    reference = (first + last) // 2
    # the server's clock less the client's: too large by the delay to the server, too small by
    # the one to the client
    ahead = np.where(by_server, sent_ns - received_ns, received_ns - sent_ns)
    origin = int(ahead[~by_server].min())
    up = _bounds(client_ns[~by_server] - reference, ahead[~by_server] - origin)
    down = _bounds(client_ns[by_server] - reference, origin - ahead[by_server])
    hulls = up.hull(), down.hull()
    reason = _too_little(up, down, last - first)
    drift = None if reason else _drift(up, down, hulls)
    if not reason and drift is None:
        reason = "no straight line fits: one of the clocks was set or slewed in between"
    low, high = drift[1:] if drift else (0.0, 0.0)
    bounds = _offset_bounds(hulls, low, high)
    applied = drift[0] if drift and (low > 0 or high < 0) else 0.0
    between = _offset_bounds(hulls, applied, applied)
    return ClockEstimate(
        reference_ns=reference,
        offset_ns=origin + round(sum(between) / 2),
        offset_low_ns=origin + int(np.floor(bounds[0])),
        offset_high_ns=origin + int(np.ceil(bounds[1])),
        drift_ppm=drift[0] * _MILLION if drift else None,
        drift_low_ppm=low * _MILLION if drift else None,
        drift_high_ppm=high * _MILLION if drift else None,
        drift_applied_ppm=applied * _MILLION,
        not_estimated=reason,
    )


def ahead_ns(clock: ClockEstimate, client_ns: Column) -> Column:
    """Return how far the server's clock is ahead at times of the client's clock, int64."""
    drift = clock.drift_applied_ppm / _MILLION
    moved = np.rint((client_ns - clock.reference_ns) * drift).astype(np.int64)
    return np.asarray(clock.offset_ns + moved)


def _bounds(time_ns: Column, above_ns: Column) -> Bounds:
    order = np.argsort(time_ns, kind="stable")
    return Bounds(
        time_ns=time_ns[order].astype(np.float64), above_ns=above_ns[order].astype(np.float64)
    )


def _too_little(up: Bounds, down: Bounds, span_ns: int) -> str | None:
    if span_ns < MIN_SPAN_NS:
        return f"both captures share {span_ns / 1e9:.3g} s, fewer than {MIN_SPAN_NS / 1e9:g} s"
    least = min(len(up.time_ns), len(down.time_ns))
    if least < MIN_SEGMENTS:
        return f"{least} segments in one of the directions, fewer than {MIN_SEGMENTS}"
    shortest = min(float(np.ptp(side.time_ns)) for side in (up, down))
    if shortest < MIN_SPAN_NS:
        return f"one of the directions has segments in {shortest / 1e9:.3g} s only"
    return None


def _drift(
    up: Bounds, down: Bounds, hulls: tuple[Bounds, Bounds]
) -> tuple[float, float, float] | None:
    """Return the drift and its interval, as ratios; none if no straight line fits.

    Two things bound it: no delay is below 0, which is hard; and, if the least delay of a direction
    stays the same, the slope of the hull below it, give or take what the least delays in parts of
    the time leave open.  The direction that leaves less open decides, if the other agrees.
    """
    hard = _possible(hulls)
    if hard is None:
        return None
    slopes = sorted(
        (_slope(up, hulls[0], 1.0), _slope(down, hulls[1], -1.0)), key=lambda s: s[2] - s[1]
    )
    best, low, high = slopes[0]
    if low > slopes[1][2] or high < slopes[1][1]:
        # the least delay of one direction changed, and nothing tells of which
        best = (best + slopes[1][0]) / 2
        low, high = min(low, slopes[1][1]), max(high, slopes[1][2])
    low, high = max(low, hard[0]), min(high, hard[1])
    if low > high:
        low, high = hard
    return min(max(best, low), high), low, high


def _slope(side: Bounds, hull: Bounds, sign: float) -> tuple[float, float, float]:
    """Return the slope of the hull under the middle of a direction's segments, and its interval.

    The line under all points that is nearest to them in sum lies on that edge.  It may be turned
    by as much as the least delays of the parts of the time lie above it.
    """
    middle = float(side.time_ns.mean())
    edge = min(max(int(np.searchsorted(hull.time_ns, middle)), 1), len(hull.time_ns) - 1)
    run = hull.time_ns[edge] - hull.time_ns[edge - 1]
    slope = float((hull.above_ns[edge] - hull.above_ns[edge - 1]) / run)
    rest = side.above_ns - slope * side.time_ns
    rest = rest - rest.min()
    span = float(np.ptp(side.time_ns))
    part = np.minimum((side.time_ns - side.time_ns[0]) * WINDOWS / span, WINDOWS - 1).astype(int)
    least = np.full(WINDOWS, np.inf)
    np.minimum.at(least, part, rest)
    above = float(least[np.isfinite(least)].max())
    # half of the time is the arm that the line is turned on, at either end of it
    error = 2 * (above + 1.0) / (span / 2)
    return sign * slope, sign * slope - error, sign * slope + error


def _possible(hulls: tuple[Bounds, Bounds]) -> tuple[float, float] | None:
    """Return the least and the largest drift with which no delay is below 0."""
    most = _MOST_PPM / _MILLION

    def room(slope: float) -> float:
        return hulls[0].least(slope) + hulls[1].least(-slope) + _RESOLUTION_NS

    low, high = -most, most
    for _ in range(_HALVINGS):  # `room` is concave
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (a, high) if room(a) < room(b) else (low, b)
    best = (low + high) / 2
    if room(best) < 0:
        return None
    return _edge(room, best, -most), _edge(room, best, most)


def _edge(room: Callable[[float], float], inside: float, outside: float) -> float:
    """Return the last slope on the way out at which there is room."""
    if room(outside) >= 0:
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if room(middle) >= 0 else (inside, middle)
    return inside


def _offset_bounds(hulls: tuple[Bounds, Bounds], low: float, high: float) -> tuple[float, float]:
    """Return the bounds of the offset at the reference time, for any drift of an interval."""
    slopes = np.linspace(low, high, 65)
    upper = max(hulls[0].least(float(slope)) for slope in slopes)
    lower = min(-hulls[1].least(-float(slope)) for slope in slopes)
    return min(lower, upper), max(lower, upper)
