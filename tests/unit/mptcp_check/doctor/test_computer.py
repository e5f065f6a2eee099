import os
from pathlib import Path

import pytest

from mptcp_check import settings
from mptcp_check.doctor.check import Question, Status
from mptcp_check.doctor.computer import (
    clock_kept,
    judge_clock_kept,
    judge_disk,
    judge_python,
    judge_remains,
    judge_tshark,
    rights,
)
from mptcp_check.machines.workspace import Remains


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 9), Status.FAIL), ((3, 11, 0), Status.PASS)]
)
def test_an_old_python_fails(version: tuple[int, ...], status: Status) -> None:
    assert judge_python(version).status is status


def test_a_full_disk_fails_and_names_the_folder() -> None:
    gib = 1 << 30
    good = judge_disk([(Path("/runs"), 9 * gib, gib), (Path("/images"), 5 * gib, gib)])
    bad = judge_disk([(Path("/runs"), 9 * gib, gib), (Path("/images"), gib // 2, gib)])

    assert (good.status, good.detail) == (Status.PASS, "5 GiB free")
    assert (bad.status, bad.detail) == (Status.FAIL, "512 MiB free for /images, 1024 MiB needed")
    assert "MPTCP_CHECK_HOME" in bad.advice


def test_a_folder_for_runs_that_is_not_ours_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question(places=settings.places())
    monkeypatch.setattr(os, "access", lambda *_: False)
    (check,) = rights(question)
    assert check.status is Status.FAIL
    assert "MPTCP_CHECK_HOME" in check.advice
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert list(rights(question)) == []


def test_a_clock_is_judged_only_when_the_system_knows() -> None:
    (kept,) = judge_clock_kept(31_000)
    (loose,) = judge_clock_kept(16_000_000)

    assert kept.status is Status.PASS
    assert loose.status is Status.WARN
    assert "timedatectl set-ntp" in loose.advice
    assert list(judge_clock_kept(None)) == []


def test_the_kernel_says_how_wrong_its_clock_may_be_or_nothing() -> None:
    checks = list(clock_kept(Question(places=settings.places())))
    # a container may be forbidden to ask
    assert [c.detail for c in checks] in [
        [],
        ["kept by a time service"],
        ["no time service keeps it"],
    ]


def test_what_crashes_left_is_told() -> None:
    left = Remains(directory=Path("/tmp/x"), killed_pids=(1, 2))  # noqa: S108 - a name only
    assert judge_remains([]).status is Status.PASS
    assert judge_remains([left]).status is Status.WARN
    assert "2 processes ended" in judge_remains([left]).detail


def test_tshark_is_never_needed() -> None:
    assert judge_tshark({"tshark": None}).status is Status.WARN
    assert judge_tshark({"tshark": "/usr/bin/tshark"}).status is Status.PASS
