"""Some frames arrive twice.

Real boxes: retransmission on a radio link whose acknowledgement was lost, loops that end.

Linux 6.18: no consequence for MPTCP; the copy is answered with a D-SACK (RFC 2883).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission, Randomness
from mptcp_check.middleboxes.impairment import FrameWatch, check_probability
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How often, and when the copy comes."""

    probability: float = 0.01
    """That a frame is sent twice, 0 to 1."""
    distance_ns: int = 0
    """How long after the first the copy leaves."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_probability(self.probability)
        if self.distance_ns < 0:
            raise ValueError("distance_ns is 0 or more")


DEFAULT = Parameters()


class Duplication:
    """Sends some frames twice."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        self._parameters = parameters
        self._watch = FrameWatch(parameters.scope)
        self._rng = rng
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many copies were made."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass one frame, and perhaps a copy; see `Behaviour.on_frame`."""
        times_ns = [now_ns]
        if self._watch.covers(frame, direction) and (
            self._rng.random() < self._parameters.probability
        ):
            self._acted_count += 1
            times_ns.append(now_ns + self._parameters.distance_ns)
        return [Emission(frame=frame, direction=direction, at_ns=at_ns) for at_ns in times_ns]
