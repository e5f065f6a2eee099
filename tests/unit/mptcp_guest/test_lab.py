import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline, Stop, ends_within


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(work_directory=tmp_path, stop=Stop())
    yield lab
    lab.end_all()
    os.close(lab.stop.fileno)


def soon() -> Deadline:
    return Deadline.after(120)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Give a killed process time to vanish: nobody here is its parent who could wait for it."""
    for _ in range(3000):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_program_gives_its_output_and_no_settings_of_ours_reach_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1")
    assert lab.succeed(["env"], soon()).splitlines() == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL=C",
    ]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-tool"], "no-such-tool does not start: No such file or directory"),
        (["ls", "/nix-da"], "ls /nix-da: exit 2: ls: cannot access '/nix-da'"),
    ],
)
def test_a_program_that_fails_is_quoted(lab: Lab, argv: list[str], words: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        lab.succeed(argv, soon())
    assert words in refusal.value.message


def test_a_program_that_takes_too_long_is_killed(lab: Lab) -> None:
    with pytest.raises(RefusalError, match="did not end in time") as refusal:
        lab.run(["sleep", "4721"], Deadline.after(0.1))
    assert refusal.value.kind == "deadline"


def test_children_of_a_child_end_with_it_even_when_they_refuse(lab: Lab) -> None:
    script = "trap '' TERM; sleep 4722 & echo $!; wait"
    child = lab.start(["sh", "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as out:
        grandchild = int(out.readline())
    lab.end(child, grace_s=0.2)
    assert child.returncode is not None
    assert gone(grandchild)


def test_children_that_outlive_their_parent_end_with_the_group(lab: Lab) -> None:
    child = lab.start(["sh", "-c", "sleep 4723 & echo $!"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as out:
        grandchild = int(out.readline())
    assert ends_within(child, 120)
    assert alive(grandchild)
    lab.end(child)
    assert child.returncode == 0
    assert gone(grandchild)


def test_waiting_to_a_deadline_never_ends_before_it(lab: Lab) -> None:
    slow = lab.start(["sleep", "4725"])
    for part in range(20):
        until = Deadline.after(0.005 + part / 20_000)
        assert not lab.stop.wait_for_exit(slow, until)
        assert until.left_s == 0


def test_waiting_ends_with_the_process_the_deadline_or_the_orchestrator(lab: Lab) -> None:
    quick, slow = lab.start(["true"]), lab.start(["sleep", "4724"])
    assert lab.stop.wait_for_exit(quick, soon())
    assert not lab.stop.wait_for_exit(slow, Deadline.after(0.05))
    threading.Timer(0.05, lab.stop.set).start()
    with pytest.raises(RefusalError, match="went away") as refusal:
        lab.stop.wait_for_exit(slow, Deadline.after(60))
    assert refusal.value.kind == "stopped"
    with pytest.raises(RefusalError, match="went away"):
        lab.stop.wait(60)


def test_a_condition_is_waited_for_until_the_deadline(lab: Lab) -> None:
    answers = iter([False, False, True])
    assert lab.stop.wait_until(lambda: next(answers), soon())
    assert not lab.stop.wait_until(lambda: False, Deadline.after(0.01))


def test_a_deadline_never_moves_later() -> None:
    deadline = Deadline.after(5)
    assert deadline.earlier(100) == deadline
    assert deadline.earlier(1).end_ns < deadline.end_ns
    assert Deadline(0).left_s == 0
