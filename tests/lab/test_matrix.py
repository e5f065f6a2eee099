"""Every behaviour is played under every circumstance, and every one is named, and nothing else."""

import os

import pytest

from mptcp_check.lab import matrix, matrix_run, sandbox
from mptcp_check.lab.case import Case
from mptcp_check.lab.expectations import expectation, identifier
from mptcp_check.lab.matrix import Confusion, Scored, confusion
from mptcp_check.middleboxes.registry import IMPAIRMENTS

pytestmark = pytest.mark.lab

SHOWN = tuple(text for text in matrix.everything() if not expectation(text).never)
"""What some exchange of the lab can show, impairments too: they accuse nobody."""
LEAST_CASES = 2 * 250


def counted(cases: tuple[Case, ...], *, plays: int = 1) -> Confusion:
    """Play cases; one that went wrong is played again as often as `plays` allows."""
    scored: dict[Case, Scored] = {}
    left = cases
    for _ in range(plays):
        scored |= {one.case: one for one in _played(left)}
        left = tuple(case for case, one in scored.items() if one.status is not matrix.Status.RIGHT)
    assert set(scored) == set(cases)
    wrong = [_told(one) for one in scored.values() if one.case in left]
    # not an assertion about the list: pytest would cut it short
    assert not wrong, "\n".join([f"{len(wrong)} of {len(cases)} cases", *wrong])
    return confusion(list(scored.values()))


def _played(cases: tuple[Case, ...]) -> list[Scored]:
    if not cases:
        return []
    jobs = min(4, os.cpu_count() or 1)
    return list(matrix_run.play(cases, way=sandbox.required(), jobs=jobs, keep=None))


def _told(one: Scored) -> str:
    said = one.result.get("error") or one.result.get("named")
    around = f"{one.case.circumstances.words()}, seed {one.case.seed}"
    return f"{one.status}: {one.case.name}, {around}: {said}"


def rotated() -> tuple[Case, ...]:
    """Return each behaviour once, each under other circumstances than the one before."""
    every = tuple(matrix.circumstances())
    return tuple(
        Case(
            behaviours=(text,),
            circumstances=next(
                around
                for place in range(number * 5, number * 5 + len(every))
                for around in [every[place % len(every)]]
                if expectation(text).reason_against(around) is None
            ),
        )
        for number, text in enumerate(SHOWN)
    )


def test_behaviours_are_named_and_nothing_else_is() -> None:
    # a busy computer may delay what shows a behaviour beyond an exchange's deadline: once
    found = counted(rotated(), plays=2)

    assert (found.total_recall.value, found.total_precision.value) == (1.0, 1.0)
    assert {*found.recall} >= {identifier(text) for text in SHOWN} - IMPAIRMENTS


@pytest.mark.slow
def test_every_behaviour_is_named_under_every_circumstance() -> None:
    cases, _ = matrix.plan(SHOWN, seeds=2)

    found = counted(cases)

    assert len(cases) > LEAST_CASES
    assert (found.total_recall.value, found.total_precision.value) == (1.0, 1.0)
    assert {*found.recall} >= {identifier(text) for text in SHOWN} - IMPAIRMENTS
