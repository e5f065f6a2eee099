"""Some frames are held for a while, so that later ones overtake them.

Real boxes: several links used at once, retransmission on a radio link, parallel queues.

Linux 6.18: no consequence for MPTCP; a mapping that arrives before an earlier one waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission, Randomness
from mptcp_check.middleboxes.impairment import FrameWatch, check_probability
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


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


class Reordering:
    """Holds some frames."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        self._parameters = parameters
        self._watch = FrameWatch(parameters.scope)
        self._rng = rng
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many frames were held."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass one frame now or later; see `Behaviour.on_frame`."""
        held = self._watch.covers(frame, direction) and (
            self._rng.random() < self._parameters.probability
        )
        self._acted_count += held
        at_ns = now_ns + (self._parameters.distance_ns if held else 0)
        return (Emission(frame=frame, direction=direction, at_ns=at_ns),)
