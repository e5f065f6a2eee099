"""The matrix: which cases are played, and what the answers come to; PURE.

Rows are what was played, columns what was named.  Recall of a behaviour is the share of its cases
in which it was named; precision is the share of the cases that named it in which that was right.
"""

import enum
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mptcp_check.lab.case import CLEAN, Case, Circumstances
from mptcp_check.lab.expectations import Expectation, expectation, identifier
from mptcp_check.middleboxes.registry import BEHAVIOURS, IMPAIRMENTS
from mptcp_check.model import Family, Side

SCHEMA: Final = "mptcp-check.matrix/1"
NOTHING: Final = "nothing"
"""The column of cases in which no cause was named."""


class Status(enum.StrEnum):
    """What a case's answer is worth."""

    RIGHT = "right"
    MISSED = "missed"
    """What was played was not named."""
    WRONG = "wrong"
    """Something was named that was not played."""
    IDLE = "idle"
    """The behaviour never acted, so there was nothing to find: the case itself is at fault."""
    FAILED = "failed"
    """It could not be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable:
    """A combination that is not played, and why."""

    behaviour: str
    circumstances: Circumstances
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One case with its answer."""

    case: Case
    status: Status
    hits: frozenset[str]
    misses: frozenset[str]
    mistakes: frozenset[str]
    result: Mapping[str, Any]
    """From `judged_case.play_and_judge`; of a failed case only ``error``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share, kept as its two numbers."""

    part_count: int
    of_count: int

    @property
    def value(self) -> float | None:
        """From 0 to 1; none of nothing."""
        return self.part_count / self.of_count if self.of_count else None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"part": self.part_count, "of": self.of_count, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """All answers together."""

    rows: Mapping[str, Mapping[str, int]]
    """Played -> named -> cases; a case that names two things counts in two columns."""
    recall: Mapping[str, Rate]
    precision: Mapping[str, Rate]
    total_recall: Rate
    total_precision: Rate
    statuses: Mapping[Status, int]

    @property
    def perfect(self) -> bool:
        """Whether every case was played and answered rightly."""
        return not any(count for status, count in self.statuses.items() if status != Status.RIGHT)


def circumstances() -> Iterator[Circumstances]:
    """Give every combination of checksum, subflows, who speaks first and family."""
    for family, checksum, paths, first in itertools.product(Family, (False, True), (1, 2), Side):
        yield Circumstances(checksum=checksum, paths=paths, first=first, family=family)


def everything() -> tuple[str, ...]:
    """Return all that can be played, with the parameters that show it; impairments last."""
    names = [*(b for b in BEHAVIOURS if b not in IMPAIRMENTS), *sorted(IMPAIRMENTS)]
    plays = {name: expectation(name).play for name in names}
    return tuple(f"{name}:{play}" if play else name for name, play in plays.items())


def plan(
    behaviours: Sequence[str],
    *,
    seeds: int = 1,
    around: Iterable[Circumstances] | None = None,
) -> tuple[tuple[Case, ...], tuple[NotApplicable, ...]]:
    """Return the cases of a matrix, the clean path's first, and what is left out.

    Args:
        behaviours: Text forms; the clean path is always played too.
        seeds: How often each case is played, each time with other payloads and other chances.
        around: The circumstances; all of them without it.
    """
    wanted = tuple(circumstances() if around is None else around)
    cases: list[Case] = []
    left_out: list[NotApplicable] = []
    for text in (None, *behaviours):
        for each in wanted:
            reason = None if text is None else expectation(text).reason_against(each)
            if text is not None and reason is not None:
                left_out.append(NotApplicable(behaviour=text, circumstances=each, reason=reason))
                continue
            cases += [
                Case(behaviours=() if text is None else (text,), circumstances=each, seed=seed)
                for seed in range(seeds)
            ]
    return tuple(cases), tuple(left_out)


def score(case: Case, result: Mapping[str, Any]) -> Scored:
    """Say what the answer to a case is worth.

    Args:
        case: What was played.
        result: Of `judged_case.play_and_judge`, or ``error`` with why it could not be played.
    """
    expected = _expected(case)
    named = frozenset(result.get("named", ()))
    hits, misses = expected.names & named, expected.names - named
    mistakes = named - expected.names - expected.also
    if "error" in result:
        hits, misses, mistakes = frozenset(), frozenset(), frozenset()
    return Scored(
        case=case,
        status=_status(case, result, misses, mistakes),
        hits=hits,
        misses=misses,
        mistakes=mistakes,
        result=result,
    )


def confusion(scored: Sequence[Scored]) -> Confusion:
    """Count the answers; cases that failed or never acted are only counted as such."""
    rows: dict[str, Counter[str]] = {}
    hits, misses, mistakes = Counter[str](), Counter[str](), Counter[str]()
    for one in scored:
        if one.status in (Status.FAILED, Status.IDLE):
            continue
        named = one.result["named"]
        rows.setdefault(row_name(one.case), Counter()).update(named or [NOTHING])
        hits.update(one.hits)
        misses.update(one.misses)
        mistakes.update(one.mistakes)
    return Confusion(
        rows=rows,
        recall=_rates(hits, misses),
        precision=_rates(hits, mistakes),
        total_recall=Rate(part_count=hits.total(), of_count=hits.total() + misses.total()),
        total_precision=Rate(part_count=hits.total(), of_count=hits.total() + mistakes.total()),
        statuses=Counter(one.status for one in scored),
    )


def document(
    scored: Sequence[Scored],
    left_out: Sequence[NotApplicable],
    *,
    planned_count: int,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a matrix as `mptcp-check.matrix/1`.

    Args:
        scored: The cases that were played, in any order.
        left_out: The combinations that were not, and why.
        planned_count: How many cases there were to be: fewer were played if it was interrupted.
        about: Fields that stand in the document as they are (versions, kernel, times).
    """
    counted = confusion(scored)
    return {
        "schema": SCHEMA,
        **about,
        "planned": planned_count,
        "played": len(scored),
        "statuses": {status.value: counted.statuses.get(status, 0) for status in Status},
        "recall": {"total": counted.total_recall.as_json(), **_as_json(counted.recall)},
        "precision": {"total": counted.total_precision.as_json(), **_as_json(counted.precision)},
        "confusion": {name: dict(sorted(row.items())) for name, row in counted.rows.items()},
        "cases": [
            {
                **one.result,
                "case": one.case.as_json(),
                "row": row_name(one.case),
                "status": one.status.value,
                "missed": sorted(one.misses),
                "mistakes": sorted(one.mistakes),
            }
            for one in scored
        ],
        "not_applicable": [
            {
                "behaviour": one.behaviour,
                "circumstances": one.circumstances.words(),
                "reason": one.reason,
            }
            for one in left_out
        ],
    }


def row_name(case: Case) -> str:
    """Return the row in which a case is counted: the behaviour without its parameters."""
    return "+".join(map(identifier, case.behaviours)) or CLEAN


def _expected(case: Case) -> Expectation:
    """Return what is expected of all behaviours of a case together."""
    each = [expectation(text) for text in case.behaviours]
    return Expectation(
        names=frozenset().union(*(e.names for e in each)),
        also=frozenset().union(*(e.also for e in each)),
        only={},
    )


def _status(
    case: Case, result: Mapping[str, Any], misses: frozenset[str], mistakes: frozenset[str]
) -> Status:
    played = [b for b in case.behaviours if identifier(b) not in IMPAIRMENTS]
    # the first row that holds
    rows = (
        ("error" in result, Status.FAILED),
        (bool(mistakes), Status.WRONG),
        (bool(played) and result.get("acted_count") == 0, Status.IDLE),
        (bool(misses), Status.MISSED),
        (True, Status.RIGHT),
    )
    return next(status for holds, status in rows if holds)


def _rates(hits: Counter[str], others: Counter[str]) -> dict[str, Rate]:
    return {
        name: Rate(part_count=hits[name], of_count=hits[name] + others[name])
        for name in sorted(hits.keys() | others.keys())
    }


def _as_json(rates: Mapping[str, Rate]) -> dict[str, Any]:
    return {name: rate.as_json() for name, rate in rates.items()}
