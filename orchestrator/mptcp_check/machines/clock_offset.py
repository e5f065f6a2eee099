"""How far another clock is ahead of this computer's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """How far a guest's clock is ahead of the host's."""

    offset_ns: int
    """Guest minus host."""
    uncertainty_ns: int
    """Half of the round trip that measured it: the offset is within this of the truth."""
