import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import selftests
from mptcp_appliance.selftests import Outcome, parse

SAID = """\
01 no msk on netns creation                          [ OK ]
02 after MPC handshake                               [FAIL]

TAP version 13
1..4
ok 1 - diag: no msk on netns creation # time=62ms
not ok 2 - diag: after MPC handshake # time=1094ms
ok 3 - diag: chk many # SKIP time=3ms
ok 4 - diag: chk # 4 # IGNORE Flaky time=3ms
"""


def test_each_check_has_its_outcome() -> None:
    found = parse("diag", SAID.replace("chk # 4", "chk four"), exit_status=1)

    assert [(c.name, c.outcome) for c in found] == [
        ("no msk on netns creation", Outcome.PASSED),
        ("after MPC handshake", Outcome.FAILED),
        ("chk many", Outcome.SKIPPED),
        ("chk four", Outcome.IGNORED),
    ]
    assert [c.ok for c in found] == [True, False, True, True]
    assert {c.suite for c in found} == {"diag"}
    assert found[3].detail == "IGNORE Flaky"


@pytest.mark.parametrize(
    ("said", "status", "detail"),
    [
        ("", 0, "it ended with 0 before it told its checks; its last words: none"),
        ("SKIP: no tool\n", 4, "it could not run; its last words: SKIP: no tool"),
        ("1..2\nok 1 - diag: a\n", 0, "it announced 2 checks and told 1; "),
        ("1..1\nok 1 - diag: a\n", 1, "it ended with 1, though no check failed"),
        ("ok 1 - diag: a\n", 0, "before it told its checks"),
    ],
)
def test_a_script_that_did_not_tell_all_is_a_failure(said: str, status: int, detail: str) -> None:
    last = parse("diag", said, exit_status=status)[-1]

    assert last.outcome is Outcome.FAILED
    assert detail in last.detail


def test_a_script_that_told_its_failures_has_no_other() -> None:
    found = parse("diag", "1..1\nnot ok 1 - diag: a # time=1ms\n", exit_status=1)

    assert [(c.name, c.ok) for c in found] == [("a", False)]


@given(st.text(), st.integers(-20, 300))
def test_whatever_a_script_says_is_read(said: str, status: int) -> None:
    assert parse("diag", said, exit_status=status)


def test_the_suites_run_in_the_folder_of_the_image() -> None:
    commands = {suite.name: suite.command for suite in selftests.SUITES}

    assert commands["mptcp_join"] == (
        "cd /usr/local/lib/mptcp-selftests/net/mptcp && "
        "exec timeout --kill-after=10 1200 bash ./mptcp_join.sh -f -s 2>&1 </dev/null"
    )
