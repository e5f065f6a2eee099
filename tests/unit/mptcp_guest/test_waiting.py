import os
import signal
import subprocess
import sys

import pytest

from mptcp_guest.waiting import ends_within, exit_code

LONG_S = 60


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("", 0),
        (f"import os; os.kill(os.getpid(), {signal.SIGTERM})", -15),
    ],
)
def test_an_exit_code_is_told_and_the_process_keeps_its_number(does: str, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", does]) as child:
        assert ends_within(child, LONG_S)
        assert [exit_code(child), exit_code(child)] == [code, code]
        assert child.returncode is None
        os.kill(child.pid, 0)
        assert child.wait(LONG_S) == exit_code(child) == code


def test_who_runs_has_none() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert exit_code(child) is None
        child.kill()


def test_what_somebody_else_has_reaped_is_no_failure() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED)
        assert exit_code(child) == 0
