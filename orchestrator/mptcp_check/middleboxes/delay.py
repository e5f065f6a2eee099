"""Frames take longer, some longer than others, and stay in order.

Real boxes: distance, queues, radio that repeats in silence.  A frame never overtakes another of
its direction: what waits makes those behind it wait.

Linux 6.18: no consequence for MPTCP; a longer path gets less of the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission, Randomness
from mptcp_check.middleboxes.impairment import FrameWatch
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import FRAME_DIRECTIONS, Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How long."""

    delay_ns: int = 20_000_000
    """One way, for every frame."""
    jitter_ns: int = 0
    """Up to so much more, uniformly."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.delay_ns < 0 or self.jitter_ns < 0:
            raise ValueError("delay_ns and jitter_ns are 0 or more")


DEFAULT = Parameters()


class Delay:
    """Holds each frame for a while."""

    def __init__(self, parameters: Parameters = DEFAULT, *, rng: Randomness) -> None:
        self._parameters = parameters
        self._watch = FrameWatch(parameters.scope)
        self._rng = rng
        self._last_ns = dict.fromkeys(FRAME_DIRECTIONS, 0)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many frames were delayed."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Delay one frame; see `Behaviour.on_frame`."""
        if not self._watch.covers(frame, direction):
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        wanted = self._parameters
        more_ns = self._rng.randrange(wanted.jitter_ns + 1) if wanted.jitter_ns else 0
        at_ns = max(now_ns + wanted.delay_ns + more_ns, self._last_ns[direction])
        self._last_ns[direction] = at_ns
        self._acted_count += 1
        return (Emission(frame=frame, direction=direction, at_ns=at_ns),)
