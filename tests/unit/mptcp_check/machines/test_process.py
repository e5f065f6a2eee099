import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import MptcpCheckError, PreflightError
from mptcp_check.machines import process

OWNER = """
import sys, time
from pathlib import Path
from mptcp_check.machines import process
child = process.start("sleeper", ["sh", "-c", "echo $$ > {pid}; exec sleep 60"], log=Path("{log}"))
print("started", flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 120) -> bool:
    assert callable(condition)
    for _ in range(int(seconds * 50)):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_child_dies_with_its_owner_even_when_that_was_killed_hard(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = OWNER.format(pid=pid_file, log=tmp_path / "log")
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == b"started\n"
        assert wait_until(lambda: pid_file.exists() and pid_file.read_text().strip())
        pid = int(pid_file.read_text())
        assert alive(pid)

        owner.send_signal(signal.SIGKILL)
        owner.wait()

    assert wait_until(lambda: not alive(pid))


def test_killing_a_child_ends_the_program_and_may_be_repeated(tmp_path: Path) -> None:
    child = process.start("sleeper", ["sleep", "60"], log=tmp_path / "log")
    assert child.exit_code() is None

    child.kill()
    child.kill()

    assert child.exit_code() == 128 + signal.SIGKILL


def test_a_child_that_ends_by_itself_leaves_its_code_and_its_last_words(tmp_path: Path) -> None:
    child = process.start("talker", ["sh", "-c", "echo last words; exit 7"], log=tmp_path / "log")

    assert child.wait(120)
    assert child.exit_code() == 7
    assert child.log_tail() == "last words"
    child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_child_is_made_ends_it_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    made: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - its own
            super().__init__(*arguments, **named)
            made.append(self)
            signal.raise_signal(number)  # as if it came in the call

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(KeyboardInterrupt):
            process.start("sleeper", ["sleep", "60"], log=tmp_path / "log")
        assert signal.getsignal(number) is stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    [keeper] = made
    assert keeper.returncode is not None


def test_who_is_started_beside_the_main_thread_has_no_interrupt_to_wait_for(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        child = pool.submit(process.start, "talker", ["true"], log=tmp_path / "log").result()
    assert child.wait(120)
    assert child.exit_code() == 0
    child.kill()


def test_waiting_for_a_child_has_an_end(tmp_path: Path) -> None:
    child = process.start("sleeper", ["sleep", "60"], log=tmp_path / "log")
    try:
        assert not child.wait(0.05)
    finally:
        child.kill()


def test_a_child_is_not_in_our_process_group_so_ctrl_c_is_ours_alone(tmp_path: Path) -> None:
    child = process.start("sleeper", ["sleep", "60"], log=tmp_path / "log")
    try:
        assert os.getpgid(child._keeper.pid) != os.getpgrp()
    finally:
        child.kill()


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(PreflightError, match="no-such-program is not installed"):
        process.run(["no-such-program"], timeout_s=60)


def test_a_program_that_never_ends_is_ended() -> None:
    with pytest.raises(MptcpCheckError, match=r"sleep did not end within 0\.1 s"):
        process.run(["sleep", "60"], timeout_s=0.1)


def test_a_tail_is_the_end_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * 5000 + b"the end")

    assert process.tail(file, 7) == "the end"
    assert process.tail(tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"", ""),
        (b"\x1b[2Jno \x07module\r\nof the kernel\n", "[2Jno  module\nof the kernel"),
        ("kein Gerät gefunden".encode(), "kein Gerät gefunden"),
        (bytes(range(128, 256)) + b"!", "129 bytes that are no text"),
        (bytes(300), "300 bytes that are no text"),
    ],
)
def test_what_a_program_says_is_shown_as_text_or_not_at_all(said: bytes, shown: str) -> None:
    assert process.plain(said) == shown


@given(st.binary(max_size=300))
def test_no_program_can_write_what_a_terminal_obeys(said: bytes) -> None:
    shown = process.plain(said)
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_program_that_hangs_takes_what_it_started_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(MptcpCheckError, match="did not end within"):
        process.run(["sh", "-c", f"sleep 1000 & echo $! >{pid}; wait"], timeout_s=5)
    number = int(pid.read_text())
    for _ in range(1000):
        if not Path(f"/proc/{number}").exists():
            break
        time.sleep(0.02)
    state = Path(f"/proc/{number}/stat")
    assert not state.exists() or " Z " in state.read_text()


def test_a_program_inherits_what_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    with given.open("wb") as inherited, other.open("wb") as kept:
        code = (
            "import os, sys\n"
            f"os.write({inherited.fileno()}, b'mine')\n"
            "try:\n"
            f"    os.write({kept.fileno()}, b'not mine')\n"
            "except OSError:\n"
            "    print('closed')\n"
        )
        child = process.start(
            "inherits",
            [sys.executable, "-c", code],
            log=tmp_path / "log",
            descriptors=[inherited.fileno()],
        )
        assert child.wait(60)
        child.kill()

    assert given.read_text() == "mine"
    assert child.log_tail() == "closed"
