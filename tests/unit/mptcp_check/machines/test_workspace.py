import os
import subprocess
import sys
from pathlib import Path

import pytest

from mptcp_check.errors import PreflightError
from mptcp_check.machines import workspace

CRASHED = """
import os, signal, subprocess, sys
from pathlib import Path
from mptcp_check.machines import workspace
with workspace.workspace("crashed", root=Path(sys.argv[1])) as directory:
    # the folder's name stands in the arguments, as in QEMU's
    argv = ["sleep", "60"]
    if sys.argv[2] == "own":
        argv = [sys.executable, "-c", "import time; time.sleep(60)", str(directory)]
    left = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    (directory / "probe.pid").write_text(str(left.pid))
    print(left.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def crash(root: Path, kind: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CRASHED, str(root), kind], stdout=subprocess.PIPE, check=False
    )
    return int(done.stdout)


def test_a_work_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with workspace.workspace("one", root=tmp_path) as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "key").write_text("secret")

    assert not directory.exists()


def test_it_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), workspace.workspace("one", root=tmp_path) as directory:
        raise RuntimeError

    assert not directory.exists()


def test_a_living_run_has_no_remains(tmp_path: Path) -> None:
    with workspace.workspace("one", root=tmp_path) as directory:
        assert workspace.remains(root=tmp_path) == ()
        assert workspace.remove_remains(root=tmp_path) == ()
        assert directory.exists()


def test_what_a_killed_run_left_is_found_and_removed_with_its_processes(tmp_path: Path) -> None:
    pid = crash(tmp_path, "own")
    left = workspace.base(tmp_path) / "crashed"
    assert workspace.remains(root=tmp_path) == (left,)

    (removed,) = workspace.remove_remains(root=tmp_path)

    assert removed == workspace.Remains(directory=left, killed_pids=(pid,))
    assert not left.exists()
    assert workspace.remains(root=tmp_path) == ()


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(tmp_path: Path) -> None:
    pid = crash(tmp_path, "foreign")
    try:
        (removed,) = workspace.remove_remains(root=tmp_path)

        assert removed.killed_pids == ()
        os.kill(pid, 0)  # still there
    finally:
        os.kill(pid, 9)


def test_a_folder_that_somebody_else_made_first_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / f"mptcp-check-{os.getuid()}"
    foreign.mkdir()
    os.chown(foreign, 12345, 12345)

    with pytest.raises(PreflightError, match="does not belong to you"):
        workspace.base(tmp_path)
