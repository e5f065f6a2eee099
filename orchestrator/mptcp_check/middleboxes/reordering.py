"""Some frames are held for a while, so that later ones overtake them.

Real boxes: several links used at once, retransmission on a radio link, parallel queues.

Linux 6.18: no consequence for MPTCP; a mapping that arrives before an earlier one waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Randomness
from mptcp_check.middleboxes.impairment import RandomTimes, check_probability
from mptcp_check.middleboxes.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How often and how far."""

    probability: float = 0.05
    """That a frame is held, 0 to 1."""
    distance_ns: int = 2_000_000
    """How long it is held: what comes in that time overtakes it."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_probability(self.probability)
        if self.distance_ns < 1:
            raise ValueError("distance_ns is 1 or more, else nothing is overtaken")


DEFAULT = Parameters()


class Reordering(RandomTimes):
    """Holds some frames."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        super().__init__(parameters.scope, parameters.probability, rng)
        self._distance_ns = parameters.distance_ns

    def times_ns(self, now_ns: int) -> Sequence[int]:
        """Return when a held frame leaves."""
        return (now_ns + self._distance_ns,)
