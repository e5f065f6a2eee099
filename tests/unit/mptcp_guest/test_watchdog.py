"""The watching is tested with the time as an argument, the process with a file as its end."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mptcp_guest
from mptcp_guest import clock
from mptcp_guest.messages import WatchdogArguments
from mptcp_guest.refusal import RefusalError
from mptcp_guest.watchdog import COMMAND, Watchdog, watch

PATIENCE_S = 60


class Time:
    """A clock and a pipe: each item is a command, a pause, or the agent's end."""

    def __init__(self, script: list[bytes | float | None]) -> None:
        self.script = script
        self.now_ns = 0

    def read(self, seconds: float | None) -> bytes:
        if not self.script:
            assert seconds is not None, "it waits without end, and nothing comes any more"
            self.now_ns += int(seconds * 1e9)
            return b""
        item = self.script.pop(0)
        if item is None:
            raise EOFError
        if isinstance(item, bytes):
            return item
        passed = item if seconds is None else min(item, seconds)
        self.now_ns += int(passed * 1e9)
        if passed < item:
            self.script.insert(0, item - passed)
        return b""


def watched(*script: bytes | float | None) -> tuple[bool, float]:
    time = Time(list(script))
    return watch(time.read, lambda: time.now_ns), time.now_ns / 1e9


ARM, DISARM = COMMAND.pack(10.0), COMMAND.pack(0.0)


@pytest.mark.parametrize(
    ("script", "over", "after_s"),
    [
        ([ARM], True, 10),
        ([ARM, 9.0, ARM, 9.0, ARM], True, 28),  # each sign of life begins the patience anew
        ([ARM, 3.0, None], True, 10),  # the agent's end is no sign of life
        ([ARM, DISARM, 100.0, None], False, 100),
        ([100.0, None], False, 100),  # never armed
        ([None], False, 0),
    ],
)
def test_the_patience_is_over_when_no_sign_came_in_time(
    script: list[bytes | float | None],
    over: bool,  # noqa: FBT001
    after_s: float,
) -> None:
    assert watched(*script) == (over, pytest.approx(after_s))


@pytest.mark.parametrize("within_s", [-1.0, 3601.0, float("nan")])
def test_a_patience_that_cannot_be_is_refused(within_s: float) -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(RefusalError, match="within_s"):
            Watchdog(writing).arm(WatchdogArguments(within_s=within_s))
    finally:
        os.close(reading)
        os.close(writing)


def test_a_process_that_is_gone_does_no_harm() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        watchdog = Watchdog(writing)
        assert watchdog.arm(WatchdogArguments(within_s=5)) == {"within_s": 5}
        watchdog.renew()
    finally:
        os.close(writing)


@contextmanager
def agent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """An agent that believes in a machine of its own; `poweroff` leaves a file."""
    programs, off = tmp_path / "bin", tmp_path / "off"
    programs.mkdir()
    (programs / "poweroff").write_text(f'#!/bin/sh\necho "$@" >{off}\n')
    (programs / "poweroff").chmod(0o755)
    command = [sys.executable, "-m", "mptcp_guest", "--owns-machine"]
    with subprocess.Popen(
        [*command, "--work-directory", str(tmp_path / "work")],
        cwd=Path(mptcp_guest.__file__).parents[1],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        try:
            yield child, off
        finally:
            child.kill()


def ask(child: subprocess.Popen[bytes], verb: str, **arguments: float) -> dict[str, object]:
    assert child.stdin is not None
    assert child.stdout is not None
    line = json.dumps({"id": 1, "verb": verb, "arguments": arguments}).encode()
    child.stdin.write(b"\n" + line + b"\n")
    child.stdin.flush()
    answer: dict[str, object] = json.loads(child.stdout.readline())
    return answer


def eventually(condition: Callable[[], bool]) -> bool:
    end_ns = clock.monotonic_ns() + PATIENCE_S * 10**9
    while not condition() and clock.monotonic_ns() < end_ns:
        threading.Event().wait(0.02)
    return condition()


def test_a_host_that_is_silent_loses_the_machine(tmp_path: Path) -> None:
    with agent(tmp_path) as (child, off):
        assert ask(child, "watchdog", within_s=0.3)["ok"]
        assert eventually(off.exists)
        assert eventually(lambda: off.read_text() == "-f\n")


def test_an_agent_that_was_killed_does_not_save_the_machine(tmp_path: Path) -> None:
    with agent(tmp_path) as (child, off):
        assert ask(child, "watchdog", within_s=0.3)["ok"]
        child.kill()
        child.wait()
        assert eventually(off.exists)


def test_a_watchdog_that_was_called_off_ends_with_its_agent(tmp_path: Path) -> None:
    with agent(tmp_path) as (child, off):
        assert ask(child, "watchdog", within_s=60)["ok"]
        assert ask(child, "watchdog", within_s=0) == {
            "id": 1,
            "ok": True,
            "result": {"within_s": 0.0},
        }
        child.communicate(timeout=PATIENCE_S)
        # its watchdog has nothing to watch then, and ends
        assert eventually(lambda: not _left(tmp_path))
        assert not off.exists()


def _left(tmp_path: Path) -> bool:
    found = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False)
    return found.stdout != b""
