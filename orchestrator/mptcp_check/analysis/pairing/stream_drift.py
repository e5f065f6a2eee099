"""How far a stream has moved at the receiver, where bytes were put in or taken out on the way."""

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.pairing.segment_matching import Matches, Segments


class StreamDrift:
    """By lane, where the shift between the two ends' streams changes.

    Args:
        sent: The segments of all lanes at the sender.
        received: Those at the receiver, their places counted as the sender does.
        matches: Which are which, as far as no clock is needed: the crossed data shows the shifts.
    """

    def __init__(self, sent: Segments, received: Segments, matches: Matches) -> None:
        # a FIN with data may be a FIN without it after a proxy: that one stands behind the data
        lengths = sent.length[matches.sent]
        carries = (lengths > 0) & (received.length[matches.received] == lengths)
        a, b = matches.sent[carries], matches.received[carries]
        distances = received.start[b] - sent.start[a]
        self._steps: dict[int, list[tuple[int, int]]] = {}
        of_lane = sent.lane[a]
        for lane in np.unique(of_lane[distances != 0]).tolist():
            own = np.flatnonzero(of_lane == lane)
            own = own[np.argsort(received.start[b[own]], kind="stable")]
            shifts = distances[own]
            edge = np.concatenate(([True], shifts[1:] != shifts[:-1]))
            places = received.start[b[own]][edge]
            pairs = list(zip(places.tolist(), shifts[edge].tolist(), strict=True))
            self._steps[lane] = pairs if pairs[0][1] == 0 else [(0, 0), *pairs]

    def __bool__(self) -> bool:
        """Say whether any stream has moved."""
        return bool(self._steps)

    def steps(self, lane: int) -> list[tuple[int, int]]:
        """Return where a lane's shift changes: (place at the receiver, shift from there on).

        Empty where segments stand where they were sent.
        """
        return self._steps.get(lane, [])

    def of(self, segments_: Segments, chosen: Column, *, at_sender: bool) -> Column:
        """Return for each chosen segment how far the receiver's stream has moved there."""
        found = np.zeros(len(chosen), np.int64)
        if not self._steps:
            return found
        lanes = segments_.lane[chosen]
        for lane, steps in self._steps.items():
            own = np.flatnonzero(lanes == lane)
            places = np.array([place - (shift if at_sender else 0) for place, shift in steps])
            shifts = np.array([shift for _, shift in steps])
            index = np.searchsorted(places, segments_.start[chosen[own]], side="right") - 1
            found[own] = shifts[np.maximum(index, 0)]
        return found
