"""What is said of an outcome and of a behaviour: the shapes of the texts."""

import enum
from dataclasses import dataclass


class Tone(enum.StrEnum):
    """How news is coloured; a symbol and a word always say the same."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"
    QUIET = "quiet"
    """Worth knowing, and no bad news: it is never named as the reason of a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeWords:
    """How an outcome is shown."""

    label: str
    symbol: str
    tone: Tone
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourWords:
    """What is said of a behaviour that was seen.

    ``{sender}`` and ``{receiver}`` are filled in with `str.format`; a translation keeps them.
    """

    title: str
    short: str
    """Completes 'Between the two machines something ...', for the closing sentence."""
    happened: str
    """What happened and where; ``{sender}``, ``{receiver}`` are the two machines."""
    means: str
    """What it means for Multipath TCP, with the RFC's section."""
    advice: str
    """What the user can do."""
    tone: Tone
