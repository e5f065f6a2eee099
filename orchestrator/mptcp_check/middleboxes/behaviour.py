"""What a middlebox is here: a frame, a direction and a time go in, timed frames come out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """A frame that a behaviour sends."""

    frame: bytes
    direction: Direction
    """`Direction.C2S` or `Direction.S2C`; the other way than the frame came in is an answer."""
    at_ns: int
    """When, on the clock of ``now_ns``; a time in the past means at once."""


class Behaviour(Protocol):
    """One thing that a path does.

    A behaviour keeps its own bounded state, never raises on what a frame holds, and passes on
    unchanged what it does not understand.  It reads no clock and no randomness of its own, so the
    same frames at the same times give the same emissions.
    """

    @property
    def acted_count(self) -> int:
        """How many frames it altered, dropped or made so far: nothing done, nothing to find."""
        ...

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Take one Ethernet frame, without frame check sequence, and say what leaves the box.

        Args:
            frame: The frame; any bytes at all.
            direction: Which way it travels, never `Direction.BOTH`.
            now_ns: The time; never earlier than in the call before.

        Returns:
            What to send, in that order; empty to drop the frame.  An emission for later needs no
            further call: the chain keeps it until its time.
        """
        ...


@runtime_checkable
class Timed(Protocol):
    """A behaviour that also acts when no frame comes: it holds frames, or sends some again.

    Left alone it falls silent after some time, so that a chain can be emptied.
    """

    def next_due_ns(self) -> int | None:
        """Return when it wants to act next, none if it waits for frames only."""
        ...

    def on_time(self, now_ns: int) -> Sequence[Emission]:
        """Do what is due up to now and say what leaves the box; then `next_due_ns` is later."""
        ...


class Randomness(Protocol):
    """The part of `random.Random` that behaviours may use; the caller seeds it."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        ...

    def randrange(self, stop: int, /) -> int:
        """Return a whole number from 0 to below ``stop``."""
        ...


def opposite(direction: Direction) -> Direction:
    """Return the other way."""
    return Direction.S2C if direction is Direction.C2S else Direction.C2S
