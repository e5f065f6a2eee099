"""Some frames arrive twice.

Real boxes: retransmission on a radio link whose acknowledgement was lost, loops that end.

Linux 6.18: no consequence for MPTCP; the copy is answered with a D-SACK (RFC 2883).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Randomness
from mptcp_check.middleboxes.impairment import RandomTimes, check_probability
from mptcp_check.middleboxes.scope import EVERYTHING, Scope


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


class Duplication(RandomTimes):
    """Sends some frames twice."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        super().__init__(parameters.scope, parameters.probability, rng)
        self._distance_ns = parameters.distance_ns

    def times_ns(self, now_ns: int) -> Sequence[int]:
        """Return now, and when the copy leaves."""
        return now_ns, now_ns + self._distance_ns
