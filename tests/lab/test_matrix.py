"""Every behaviour is played under every circumstance, and every one is named, and nothing else."""

import os

import pytest

from mptcp_check.analysis.diagnose import DETECTORS
from mptcp_check.lab import matrix, matrix_run, sandbox
from mptcp_check.lab.case import Case, Circumstances
from mptcp_check.lab.expectations import identifier
from mptcp_check.lab.matrix import Confusion, Scored, confusion
from mptcp_check.middleboxes.registry import BEHAVIOURS, IMPAIRMENTS
from mptcp_check.model import Family, Side

pytestmark = pytest.mark.lab

NAMED = sorted(set(BEHAVIOURS) & set(DETECTORS))
"""What can be played and can be named."""

SOME = (
    Circumstances(checksum=False, paths=2, first=Side.CLIENT, family=Family.IPV4),
    Circumstances(checksum=True, paths=1, first=Side.SERVER, family=Family.IPV6),
)


def counted(cases: tuple[Case, ...]) -> Confusion:
    jobs = min(4, os.cpu_count() or 1)
    scored = list(matrix_run.play(cases, way=sandbox.required(), jobs=jobs, keep=None))
    assert {one.case for one in scored} == set(cases)
    assert [_told(one) for one in scored if one.status is not matrix.Status.RIGHT] == []
    return confusion(scored)


def _told(one: Scored) -> str:
    said = one.result.get("error") or one.result.get("named")
    return f"{one.status}: {one.case.name}, {one.case.circumstances.words()}: {said}"


def test_behaviours_are_named_and_nothing_else_is() -> None:
    cases, _ = matrix.plan(NAMED, around=SOME)

    found = counted(cases)

    assert (found.total_recall.value, found.total_precision.value) == (1.0, 1.0)
    assert set(found.recall) == set(NAMED)


@pytest.mark.slow
def test_every_behaviour_finds_something_to_do() -> None:
    cases, _ = matrix.plan(matrix.everything(), around=SOME)

    played = list(matrix_run.play(cases, way=sandbox.required(), jobs=2, keep=None))

    nothing = (matrix.Status.IDLE, matrix.Status.FAILED)
    assert [_told(one) for one in played if one.status in nothing] == []


@pytest.mark.slow
def test_every_behaviour_is_named_under_every_circumstance() -> None:
    wanted = [t for t in matrix.everything() if identifier(t) in {*NAMED, *IMPAIRMENTS}]
    cases, _ = matrix.plan(wanted)

    found = counted(cases)

    assert (found.total_recall.value, found.total_precision.value) == (1.0, 1.0)
    assert set(found.recall) == set(NAMED)
