"""How detectors say what they found: the three states, frames as evidence, numbers in words."""

from collections.abc import Iterable, Mapping
from typing import Final

from mptcp_check.analysis.pairing.paired import (
    Half,
    Lane,
    MatchedBy,
    PairedConnection,
    PairedSubflow,
)
from mptcp_check.model import Confidence, Direction, Evidence, Finding, Side, State

MACHINE: Final[Mapping[Side, str]] = {Side.CLIENT: "client", Side.SERVER: "server"}
"""How the machine at each end is called in a finding's sentence."""

CONFIDENCE: Final[Mapping[MatchedBy, Confidence]] = {
    MatchedBy.FIELDS: Confidence.CONFIRMED,
    MatchedBy.ALONE: Confidence.CONFIRMED,
    MatchedBy.TIME: Confidence.LIKELY,
}
"""What a match of two segments allows to claim; `MatchedBy.ORDER` allows nothing."""


class Verdict:
    """One detector's voice on one connection.

    Args:
        behaviour: The detector's identifier.
        connection: What it looked at; a connection with one capture only makes every word
            ``one_sided``.
    """

    def __init__(self, behaviour: str, connection: PairedConnection) -> None:
        self.behaviour, self._connection = behaviour, connection

    def seen(
        self,
        because: str,
        *,
        subflow: PairedSubflow,
        direction: Direction,
        evidence: tuple[Evidence, ...],
        confidence: Confidence = Confidence.CONFIRMED,
        measures: Mapping[str, int] | None = None,
    ) -> Finding:
        """Return that the path did it."""
        return Finding(
            behaviour=self.behaviour,
            state=State.SEEN,
            because=because,
            connection=self._connection.id,
            subflow=subflow.id,
            direction=direction,
            confidence=Confidence.ONE_SIDED if self._connection.one_sided else confidence,
            evidence=evidence,
            measures=measures or {},
        )

    def not_seen(
        self,
        because: str,
        *,
        subflow: PairedSubflow | None = None,
        direction: Direction | None = None,
        evidence: tuple[Evidence, ...] = (),
        measures: Mapping[str, int] | None = None,
    ) -> Finding:
        """Return that it was looked for where it would show, and is not there."""
        return Finding(
            behaviour=self.behaviour,
            state=State.NOT_SEEN,
            because=because,
            connection=self._connection.id,
            subflow=None if subflow is None else subflow.id,
            direction=direction,
            confidence=self._confidence(),
            evidence=evidence,
            measures=measures or {},
        )

    def not_measured(self, because: str, *, evidence: tuple[Evidence, ...] = ()) -> Finding:
        """Return that the captures do not say, and why."""
        return Finding(
            behaviour=self.behaviour,
            state=State.NOT_MEASURED,
            because=because,
            connection=self._connection.id,
            confidence=self._confidence(),
            evidence=evidence,
        )

    def _confidence(self) -> Confidence:
        return Confidence.ONE_SIDED if self._connection.one_sided else Confidence.CONFIRMED


def sender(lane: Lane) -> str:
    """Return the name of the machine that sends on a lane."""
    return MACHINE[lane.sender]


def receiver(lane: Lane) -> str:
    """Return the name of the machine that receives on a lane."""
    return MACHINE[Side.SERVER if lane.sender is Side.CLIENT else Side.CLIENT]


def frames(*segments: tuple[Half | None, int]) -> tuple[Evidence, ...]:
    """Return the frames of rows of halves; a half that is missing has none."""
    return tuple(
        Evidence(side=half.side, frame=half.frame(row))
        for half, row in segments
        if half is not None
    )


def frames_of(half: Half | None, rows: Iterable[int]) -> tuple[Evidence, ...]:
    """Return the frames of several rows of one half."""
    return frames(*((half, row) for row in rows))


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 SYN``, ``3 SYNs``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def chosen(*reasons: tuple[bool, str]) -> str:
    """Return the first reason that holds; the last one always must."""
    return next(text for holds, text in reasons if holds)
