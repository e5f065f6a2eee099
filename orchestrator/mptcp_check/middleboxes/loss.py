"""Frames are lost at random, alone or in bursts.

Real boxes: radio, overload.  Between the bursts losses are independent: with probability ``p`` a
frame begins a burst of ``burst_count`` frames of its direction (a Gilbert model whose bursts have
a fixed length).

Linux 6.18: no consequence for MPTCP but retransmissions, on the same subflow first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission, Randomness
from mptcp_check.middleboxes.impairment import FrameWatch, check_probability
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import FRAME_DIRECTIONS, Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How often."""

    probability: float = 0.01
    """That a frame begins a burst, 0 to 1."""
    burst_count: int = 1
    """How many frames in a row are lost then."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_probability(self.probability)
        if self.burst_count < 1:
            raise ValueError(f"a burst has at least one frame, not {self.burst_count}")


DEFAULT = Parameters()


class Loss:
    """Drops frames."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        self._parameters = parameters
        self._watch = FrameWatch(parameters.scope)
        self._rng = rng
        self._left = dict.fromkeys(FRAME_DIRECTIONS, 0)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many frames were dropped."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass or drop one frame; see `Behaviour.on_frame`."""
        passed = (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        if not self._watch.covers(frame, direction):
            return passed
        if self._left[direction] == 0 and self._rng.random() < self._parameters.probability:
            self._left[direction] = self._parameters.burst_count
        if self._left[direction] == 0:
            return passed
        self._left[direction] -= 1
        self._acted_count += 1
        return ()
